package cloud.wepp.worker.demo;

import java.util.ArrayList;
import java.util.List;

/** The {@code .run} files: one answer a line, as WEPPcloud gives them. */
final class Answers {
  private Answers() {}

  static String hillslope(int id, int years) {
    String out = "../output/H" + id + ".";
    List<String> answers = new ArrayList<>(List.of("m", "Yes", "1", "1"));
    answers.addAll(List.of("Yes", out + "pass.dat", "1", "No", out + "loss.dat"));
    answers.addAll(List.of("Yes", out + "wat.dat", "No", "Yes", out + "soil.dat"));
    answers.addAll(List.of("Yes", out + "plot.dat", "No", "Yes", out + "ebe.dat"));
    answers.addAll(List.of("Yes", out + "element.dat", "No", "No", "No"));
    for (String suffix : List.of("man", "slp", "cli", "sol")) {
      answers.add("p" + id + "." + suffix);
    }
    answers.addAll(List.of("0", Integer.toString(years), "0"));
    return text(answers);
  }

  static String watershed(int hillslopes, int years) {
    List<String> answers = new ArrayList<>(List.of("M", "Yes", "1", "2", "../output/pass_pw0.txt"));
    answers.add(Integer.toString(hillslopes));
    for (int id = 1; id <= hillslopes; id++) {
      answers.addAll(List.of("M", "Y", "../output/H" + id + ".pass.dat"));
    }
    answers.addAll(List.of("", "Yes", "No", "1", "../output/loss_pw0.txt"));
    answers.addAll(List.of("Yes", "../output/chnwb.txt", "No", "Yes", "../output/soil_pw0.txt"));
    answers.addAll(List.of("Yes", "../output/plot_pw0.txt", "No", "Yes", "../output/ebe_pw0.txt"));
    answers.addAll(List.of("No", "No", "No", "No"));
    for (String suffix : List.of("str", "chn", "imp", "man", "slp", "cli", "sol")) {
      answers.add("pw0." + suffix);
    }
    answers.addAll(List.of("0", Integer.toString(years)));
    return text(answers);
  }

  private static String text(List<String> answers) {
    return String.join("\n", answers) + "\n";
  }
}
