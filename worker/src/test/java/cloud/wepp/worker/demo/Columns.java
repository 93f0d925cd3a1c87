package cloud.wepp.worker.demo;

/** Text in columns, as Fortran's FORMAT writes it; quick to load, which String.format is not. */
final class Columns {
  private final StringBuilder text = new StringBuilder();

  Columns add(String words) {
    text.append(words);
    return this;
  }

  Columns left(String words, int width) {
    text.append(words);
    return space(width - words.length());
  }

  Columns whole(long number, int width) {
    return right(Long.toString(number), width);
  }

  Columns fixed(double number, int width, int decimals) {
    if (!Double.isFinite(number)) {
      return right(Double.toString(number), width);
    }
    long scale = 1;
    for (int i = 0; i < decimals; i++) {
      scale *= 10;
    }
    long scaled = Math.round(number * scale);
    String fraction = Long.toString(scale + Math.abs(scaled) % scale).substring(1);
    String sign = scaled < 0 ? "-" : "";
    String whole = sign.concat(Long.toString(Math.abs(scaled) / scale));
    return right(whole.concat(".").concat(fraction), width);
  }

  /** A positive number as {@code 0.43196E+05}. */
  Columns exponent(double number) {
    if (!Double.isFinite(number)) {
      return right(Double.toString(number), 11);
    }
    int power = number > 0 ? (int) Math.floor(Math.log10(number)) + 1 : 0;
    long digits = Math.round(number * Math.pow(10, 5 - power));
    if (digits == 100_000) {
      digits = 10_000;
      power++;
    }
    text.append("0.").append(Long.toString(100_000 + digits), 1, 6);
    text.append(power < 0 ? "E-" : "E+").append(Integer.toString(100 + Math.abs(power)), 1, 3);
    return this;
  }

  Columns line() {
    text.append('\n');
    return this;
  }

  private Columns right(String words, int width) {
    space(width - words.length());
    text.append(words);
    return this;
  }

  private Columns space(int count) {
    text.repeat(' ', Math.max(0, count));
    return this;
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
