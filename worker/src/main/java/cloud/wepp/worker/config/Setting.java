package cloud.wepp.worker.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** What the reader and the documentation know of one setting. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
@interface Setting {
  /** The default, written as in the file; empty for none. */
  String value() default "";

  /** What it means, in one sentence. */
  String is();

  /** WEPPcloud's own environment variables that are understood, best first. */
  String[] aliases() default {};

  /** The smallest number; of a duration, in milliseconds. */
  long min() default Long.MIN_VALUE;

  /** What the whole text must match. */
  String matches() default ".*";
}
