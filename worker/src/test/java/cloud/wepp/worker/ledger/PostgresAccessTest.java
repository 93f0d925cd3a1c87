package cloud.wepp.worker.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** URLs as JDBC, libpq and SQLAlchemy spell them; secrets are taken out. */
class PostgresAccessTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "postgresql://wepppy:p%40ss+%3A@db:5433/wepppy?sslmode=require",
        "postgres://wepppy:p@ss+:@db:5433/wepppy?sslmode=require",
        "postgresql+psycopg2://wepppy:p%40ss+%3A@db:5433/wepppy?sslmode=require",
        "jdbc:postgresql://db:5433/wepppy?user=wepppy&sslmode=require&password=p%40ss+%3A",
      })
  void everySpellingIsTheSame(String url) {
    PostgresAccess access = new PostgresAccess(url, null, null);

    assertThat(access.url()).isEqualTo("jdbc:postgresql://db:5433/wepppy?sslmode=require");
    assertThat(access.user()).isEqualTo("wepppy");
    assertThat(access.password()).isEqualTo("p@ss+:");
    assertThat(access).hasToString("Postgres at db:5433/wepppy");
  }

  @Test
  void aPasswordFromElsewhereWins() {
    PostgresAccess access = new PostgresAccess("postgresql://u:old@db/x", null, "new");

    assertThat(access.url()).isEqualTo("jdbc:postgresql://db/x");
    assertThat(access.password()).isEqualTo("new");
  }

  @Test
  void aWrongUrlIsNotRepeated() {
    assertThatThrownBy(() -> new PostgresAccess("mysql://u:secret@db/x", null, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("secret");
  }
}
