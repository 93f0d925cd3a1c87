package cloud.wepp.worker.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/**
 * One table, and how what is heard later is merged into it. All rows of a batch go in one
 * statement, a column as one array.
 */
final class Table {
  /** How a value meets the one that is there already. */
  enum Merge {
    /** Part of the primary key. */
    KEY,
    /** That of the newest event which has one. */
    NEWEST,
    /** The later time. */
    LATEST
  }

  private static final String UNIQUE_VIOLATION = "23505";

  record Column(String name, String type, Merge merge) {}

  static Column text(String name) {
    return new Column(name, "text", Merge.NEWEST);
  }

  static Column number(String name) {
    return new Column(name, "int8", Merge.NEWEST);
  }

  static Column real(String name) {
    return new Column(name, "float8", Merge.NEWEST);
  }

  static Column time(String name) {
    return new Column(name, "timestamptz", Merge.LATEST);
  }

  static Column key(String name, String type) {
    return new Column(name, type, Merge.KEY);
  }

  private final List<Column> columns;
  private final Map<String, Integer> positions = new HashMap<>();
  private final String insert;
  private final @Nullable String copy; // for rows that are rarely there already

  private Table(List<Column> columns, String insert, @Nullable String copy) {
    this.columns = columns;
    this.insert = insert;
    this.copy = copy;
    for (Column column : columns) {
      positions.put(column.name(), positions.size());
    }
  }

  /** Rows are written once and never changed. */
  static Table constant(String name, Column... columns) {
    List<Column> all = List.of(columns);
    return new Table(
        all,
        insert(name, all) + " on conflict do nothing",
        "copy rq_worker." + name + " (" + names(all) + ") from stdin");
  }

  /** Rows are merged; {@code last_ms} and {@code last_seq} tell which of two is newer. */
  static Table merged(String name, Column... columns) {
    List<Column> all = new ArrayList<>(List.of(columns));
    all.add(number("last_ms"));
    all.add(number("last_seq"));
    String keys =
        all.stream()
            .filter(column -> column.merge() == Merge.KEY)
            .map(Column::name)
            .collect(Collectors.joining(", "));
    String updates =
        all.stream()
            .filter(column -> column.merge() != Merge.KEY)
            .map(column -> column.name() + " = " + merge(column))
            .collect(Collectors.joining(", "));
    return new Table(
        all, insert(name, all) + " on conflict (" + keys + ") do update set " + updates, null);
  }

  private static String insert(String name, List<Column> columns) {
    return "insert into rq_worker."
        + name
        + " as old ("
        + names(columns)
        + ") select * from unnest("
        + columns.stream()
            .map(column -> "?::" + column.type() + "[]")
            .collect(Collectors.joining(", "))
        + ")";
  }

  private static String names(List<Column> columns) {
    return columns.stream().map(Column::name).collect(Collectors.joining(", "));
  }

  private static String merge(Column column) {
    String was = "old." + column.name();
    String is = "excluded." + column.name();
    if (column.merge() == Merge.LATEST) {
      return "greatest(" + was + ", " + is + ")";
    }
    return "case when (excluded.last_ms, excluded.last_seq) >= (old.last_ms, old.last_seq) then "
        + ("coalesce(" + is + ", " + was + ") else coalesce(" + was + ", " + is + ") end");
  }

  List<Column> columns() {
    return columns;
  }

  /** The rows of one batch. */
  Rows rows() {
    return new Rows();
  }

  /**
   * Rows by key. Ordered, so that two processes that write the same rows lock them in one order: by
   * key, or for constant rows as they were made.
   */
  final class Rows {
    private final Map<String, Row> rows = copy == null ? new TreeMap<>() : new LinkedHashMap<>();

    /** The row of this key, made when there is none. */
    Row row(String... key) {
      return rows.computeIfAbsent(String.join("\0", key), _ -> new Row(key));
    }

    void write(Connection connection) throws SQLException {
      if (rows.isEmpty() || copy != null && copied(connection, copy)) {
        return;
      }
      try (PreparedStatement statement = connection.prepareStatement(insert)) {
        for (int i = 0; i < columns.size(); i++) {
          String type = columns.get(i).type();
          statement.setArray(i + 1, connection.createArrayOf(type, column(i, rows.values())));
        }
        statement.executeUpdate();
      }
    }

    /**
     * The cheapest way to write. Returns false if a row is there already; then nothing is written,
     * neither here nor before in this transaction.
     */
    private boolean copied(Connection connection, String sql) throws SQLException {
      StringBuilder lines = new StringBuilder(rows.size() * 400);
      rows.values().forEach(row -> row.line(lines));
      byte[] bytes = lines.toString().getBytes(UTF_8);
      try {
        CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
        long _ = copy.copyIn(sql, new ByteArrayInputStream(bytes), 1 << 16);
        return true;
      } catch (SQLException e) {
        connection.rollback(); // the pool does not know of what was done beneath it
        if (UNIQUE_VIOLATION.equals(e.getSQLState())) {
          return false;
        }
        throw e;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private @Nullable Object[] column(int position, Collection<Row> from) {
      Stream<@Nullable Object> values = from.stream().map(row -> row.values[position]);
      return switch (columns.get(position).type()) {
        case "int8" -> values.toArray(Long[]::new);
        case "float8" -> values.toArray(Double[]::new);
        default -> values.toArray(String[]::new);
      };
    }
  }

  /** One row. Values are put in the order of the stream; null says nothing. */
  final class Row {
    private final @Nullable Object[] values = new @Nullable Object[columns.size()];

    private Row(String... key) {
      System.arraycopy(key, 0, values, 0, key.length);
      if (positions.containsKey("last_ms")) {
        newest(0, 0);
      }
    }

    void put(String column, @Nullable Object value) {
      if (value == null) {
        return;
      }
      int position = position(column);
      boolean older =
          columns.get(position).merge() == Merge.LATEST
              && value instanceof String time
              && values[position] instanceof String known
              && known.compareTo(time) > 0;
      if (!older) {
        values[position] = value;
      }
    }

    /** The row is as it was after the event of this stream id. */
    void newest(long millis, long sequence) {
      values[position("last_ms")] = millis;
      values[position("last_seq")] = sequence;
    }

    /** Adds the row as a line of COPY's text format. */
    private void line(StringBuilder lines) {
      for (int i = 0; i < values.length; i++) {
        if (i > 0) {
          lines.append('\t');
        }
        switch (values[i]) {
          case null -> lines.append("\\N");
          case String text -> escape(text, lines);
          case Object other -> lines.append(other);
        }
      }
      lines.append('\n');
    }

    private static void escape(String text, StringBuilder lines) {
      for (int i = 0; i < text.length(); i++) {
        char c = text.charAt(i);
        switch (c) {
          case '\\' -> lines.append("\\\\");
          case '\t' -> lines.append("\\t");
          case '\n' -> lines.append("\\n");
          case '\r' -> lines.append("\\r");
          default -> lines.append(c);
        }
      }
    }

    private int position(String column) {
      Integer position = positions.get(column);
      if (position == null) {
        throw new IllegalArgumentException("no column " + column);
      }
      return position;
    }
  }
}
