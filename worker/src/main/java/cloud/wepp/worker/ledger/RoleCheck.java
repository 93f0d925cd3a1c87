package cloud.wepp.worker.ledger;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * What a Postgres lets this worker's role do.
 *
 * @param superuser whether it may do everything
 * @param keepsHistory whether it may make and change the history's tables
 * @param otherTables how many tables that are not the history's it may read or change
 */
public record RoleCheck(
    String role, String version, boolean superuser, boolean keepsHistory, int otherTables) {
  private static final String RIGHTS =
      """
      select current_user, current_setting('server_version'),
        (select rolsuper from pg_roles where rolname = current_user),
        coalesce(
          (select has_schema_privilege(oid, 'create') from pg_namespace where nspname = 'rq_worker'),
          has_database_privilege(current_database(), 'create')),
        (select count(*) from pg_class t join pg_namespace s on s.oid = t.relnamespace
          where t.relkind in ('r', 'p', 'v', 'm', 'f')
            and s.nspname not in ('pg_catalog', 'information_schema', 'rq_worker')
            and has_table_privilege(t.oid, 'select, insert, update, delete, truncate'))
      """;

  /** Changes nothing. Throws {@link LedgerUnavailable}. */
  public static RoleCheck look(PostgresAccess to) {
    try (Connection connection = to.connect(20);
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(RIGHTS)) {
      row.next();
      return new RoleCheck(
          row.getString(1), row.getString(2), row.getBoolean(3), row.getBoolean(4), row.getInt(5));
    } catch (SQLException e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw new LedgerUnavailable("Postgres at " + to.address() + ": " + why, e);
    }
  }
}
