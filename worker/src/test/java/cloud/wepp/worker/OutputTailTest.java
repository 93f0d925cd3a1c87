package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class OutputTailTest {
  private final OutputTail tail = new OutputTail();

  @Test
  void tellsWhatIsNew() {
    tail.add("one");
    assertThat(tail.after(0)).isEqualTo(new OutputTail.Part(1, List.of("one")));
    tail.add("two");
    assertThat(tail.after(1)).isEqualTo(new OutputTail.Part(2, List.of("two")));
    assertThat(tail.after(2).lines()).isEmpty();
  }

  @Test
  void keepsTheLastLinesAndSaysHowManyItDoesNot() {
    for (int i = 0; i < 1500; i++) {
      tail.add("line " + i);
    }
    assertThat(tail.after(0).lines())
        .hasSize(1001)
        .startsWith("... (500 lines are not kept)", "line 500");
    tail.add("x".repeat(1 << 20));
    assertThat(tail.after(0).lines()).hasSize(2);
  }
}
