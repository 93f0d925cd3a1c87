package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One place to run a job, and one rq worker. Takes a job only when it is free now. */
final class Slot implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(Slot.class);

  private final String worker;
  private final Intake intake;
  private final JobRunner runner;

  Slot(String worker, Intake intake, JobRunner runner) {
    this.worker = worker;
    this.intake = intake;
    this.runner = runner;
  }

  @Override
  public void run() {
    while (true) {
      try {
        Optional<Claim> claim = intake.take(worker);
        if (claim.isEmpty()) {
          return;
        }
        while (claim.isPresent()) {
          claim = runner.run(claim.get(), () -> intake.next(worker));
        }
      } catch (InterruptedException e) {
        return;
      } catch (RuntimeException e) { // a slot outlives every bug
        LOG.error("Slot {} met an unexpected error and goes on", worker, e);
      }
    }
  }
}
