package cloud.wepp.worker.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ActivityWatchTest {
  private static final Duration STALL = Duration.ofMinutes(10);

  private final List<String> told = new ArrayList<>();
  private Instant now = Instant.EPOCH;
  private long ticks;
  private char state = 'S';
  private int looks;

  private final ActivityWatch.Listener listener =
      new ActivityWatch.Listener() {
        @Override
        public void stalled(int pid, String in, Duration since) {
          told.add("stalled %s %s".formatted(in, since));
        }

        @Override
        public void goesOn(int pid) {
          told.add("goes on");
        }

        @Override
        public void uninterruptible(int pid, Duration since, int times) {
          told.add("D %s %d".formatted(since, times));
        }
      };

  private ActivityWatch watch(Duration stallAfter, boolean kill) {
    return new ActivityWatch(
        new ActivityWatch.Rules(stallAfter, kill, Duration.ofSeconds(30), Duration.ofMinutes(3), 3),
        () -> now,
        listener);
  }

  /** Four looks a second for so long; whether one of them says that the process has to end. */
  private boolean pass(ActivityWatch watch, Duration time, boolean frozen) {
    boolean end = false;
    for (Instant until = now.plus(time); now.isBefore(until); now = now.plusMillis(250)) {
      end |=
          watch.look(
              7,
              () -> {
                looks++;
                return new ActivityWatch.Seen(
                    new ActivityWatch.Activity(ticks, 0, 0, 1), state, state + " in somewhere");
              },
              frozen);
    }
    return end;
  }

  @Test
  void isToldOnceAndAgainAfterItWentOn() {
    ActivityWatch watch = watch(STALL, false);
    assertThat(pass(watch, Duration.ofMinutes(10), false)).isFalse();
    assertThat(told).isEmpty();
    assertThat(pass(watch, Duration.ofMinutes(60), false)).isFalse();
    assertThat(told).containsExactly("stalled S in somewhere PT10M");
    ticks++;
    pass(watch, Duration.ofMinutes(1), false);
    assertThat(told).hasSize(2).endsWith("goes on");
    pass(watch, Duration.ofMinutes(12), false);
    assertThat(told).hasSize(3);
    assertThat(looks).as("the process is looked at every 30 s only").isBetween(160, 170);
  }

  @Test
  void anActiveOneIsNeverStalled() {
    ActivityWatch watch = watch(STALL, true);
    for (int i = 0; i < 20; i++) {
      ticks++;
      assertThat(pass(watch, Duration.ofMinutes(9), false)).isFalse();
    }
    assertThat(told).isEmpty();
  }

  @Test
  void aStalledOneIsEndedWhereThatIsWished() {
    assertThat(pass(watch(STALL, true), Duration.ofMinutes(12), false)).isTrue();
  }

  @Test
  void oneThatMayNotRunIsNotToBlame() {
    ActivityWatch watch = watch(STALL, true);
    assertThat(pass(watch, Duration.ofHours(5), true)).isFalse();
    assertThat(pass(watch, Duration.ofMinutes(9), false)).isFalse();
    assertThat(told).isEmpty();
    assertThat(pass(watch, Duration.ofMinutes(3), false)).isTrue();
  }

  @Test
  void thatItWaitsForTheKernelIsToldThreeTimesAtMost() {
    state = 'D';
    ActivityWatch watch = watch(Duration.ZERO, false);
    pass(watch, Duration.ofMinutes(2), false);
    state = 'S';
    pass(watch, Duration.ofMinutes(1), false);
    state = 'D';
    pass(watch, Duration.ofMinutes(3), false);
    assertThat(told).as("not at one go").isEmpty();
    pass(watch, Duration.ofHours(1), false);
    assertThat(told).containsExactly("D PT3M 1", "D PT6M 2", "D PT9M 3");
  }
}
