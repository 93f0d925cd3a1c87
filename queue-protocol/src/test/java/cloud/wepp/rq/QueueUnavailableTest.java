package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QueueUnavailableTest {
  @ParameterizedTest
  @CsvSource({
    "WRONGTYPE Operation against a key holding the wrong kind of value, true",
    "ERR value is not an integer or out of range script: 5f3, true",
    "OOM command not allowed when used memory > 'maxmemory', false",
    "ERR Error running script: @user_script:9: OOM command not allowed, false",
    "MISCONF Redis is configured to save RDB snapshots, false",
    "LOADING Redis is loading the dataset in memory, false",
    "NOAUTH Authentication required, false"
  })
  void whatRedisSaysForEverIsNotAskedAgain(String said, boolean lasting) {
    assertThat(new QueueUnavailable("", new RedisCommandExecutionException(said)).isLasting())
        .isEqualTo(lasting);
    assertThat(new QueueUnavailable("", new RedisConnectionException(said)).isLasting()).isFalse();
  }
}
