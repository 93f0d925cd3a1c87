package cloud.wepp.worker;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import cloud.wepp.worker.cli.Main;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** The arrows between packages, and the fences around what only one of them may touch. */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("cloud.wepp");

  private static void holds(ArchRule rule) {
    rule.check(CLASSES);
  }

  @Test
  void onlyTheProtocolTouchesRedis() {
    holds(
        noClasses()
            .that()
            .resideOutsideOfPackage("cloud.wepp.rq")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("io.lettuce.."));
  }

  @Test
  void onlyTheLedgerTouchesSql() {
    holds(
        noClasses()
            .that()
            .resideOutsideOfPackage("cloud.wepp.worker.ledger")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("java.sql..", "javax.sql..", "com.zaxxer..", "org.flywaydb.."));
  }

  @Test
  void onlyProcessCallsForeignCode() {
    holds(
        noClasses()
            .that()
            .resideOutsideOfPackage("cloud.wepp.worker.process")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("java.lang.foreign.."));
  }

  @Test
  void onlyObserveCountsServesAndSetsUpLogs() {
    holds(
        noClasses()
            .that()
            .resideOutsideOfPackage("cloud.wepp.worker.observe")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.micrometer..", "com.sun.net.httpserver..", "ch.qos.logback.."));
  }

  @Test
  void theProtocolKnowsNoWorker() {
    holds(
        noClasses()
            .that()
            .resideInAPackage("cloud.wepp.rq..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("cloud.wepp.worker.."));
  }

  @Test
  void processNeedsNothingButTheJdk() {
    holds(
        noClasses()
            .that()
            .resideInAPackage("cloud.wepp.worker.process")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("cloud.wepp.rq..", "io..", "tools..", "com.."));
  }

  @Test
  void leavesDoNotKnowTheRuntime() {
    holds(
        noClasses()
            .that()
            .resideInAnyPackage(
                "cloud.wepp.worker.job",
                "cloud.wepp.worker.process",
                "cloud.wepp.worker.wepp",
                "cloud.wepp.worker.ledger",
                "cloud.wepp.worker.observe",
                "cloud.wepp.worker.config")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("cloud.wepp.worker"));
  }

  @Test
  void nobodyKnowsTheCommandLine() {
    holds(
        noClasses()
            .that()
            .resideOutsideOfPackage("cloud.wepp.worker.cli")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("cloud.wepp.worker.cli", "picocli.."));
  }

  @Test
  void theLedgerKnowsOnlyTheProtocol() {
    holds(
        noClasses()
            .that()
            .resideInAPackage("cloud.wepp.worker.ledger")
            .should()
            .dependOnClassesThat(
                resideInAPackage("cloud.wepp.worker..")
                    .and(resideOutsideOfPackage("cloud.wepp.worker.ledger"))));
  }

  @Test
  void packagesHaveNoCycles() {
    holds(slices().matching("cloud.wepp.(**)").should().beFreeOfCycles());
  }

  @Test
  void timeIsInjectedAndNobodySleeps() {
    holds(noClasses().should().callMethod(Instant.class, "now"));
    holds(noClasses().should().callMethod(Thread.class, "sleep", long.class));
  }

  @Test
  void onlyMainReadsTheEnvironmentAndExits() {
    holds(
        noClasses()
            .that()
            .doNotBelongToAnyOf(Main.class)
            .should()
            .callMethod(System.class, "exit", int.class)
            .orShould()
            .callMethod(System.class, "getenv")
            .orShould()
            .callMethod(System.class, "getenv", String.class));
  }
}
