#include "analysis/report/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/metric.h"
#include "analysis/report/chart_frame.h"
#include "analysis/report/chart_spec.h"
#include "analysis/report/chart_svg.h"
#include "analysis/report/clean_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "analysis/report/provenance.h"
#include "analysis/report/report_table.h"
#include "analysis/report/validation.h"
#include "analysis/report/verdict.h"
#include "analysis/report/web_files.h"
#include "sim/base/digest.h"

namespace bethany {
namespace {

/// Characters of a name in a table; rows of a figure's table.
constexpr std::size_t kName = 80;
constexpr std::size_t kRows = 100;

/// "sha256-…" of a script or style, as a content security policy wants it.
std::string csp_hash(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = sha256(bytes);
  std::string base64;
  for (std::size_t i = 0; i < hex.size(); i += 6) {
    const std::string three = hex.substr(i, 6);
    const auto bits = static_cast<std::uint32_t>(std::stoul(three, nullptr, 16))
                      << (24 - 4 * three.size());
    for (std::size_t digit = 0; digit < 4; ++digit) {
      const bool used = digit * 6 < three.size() * 4;
      base64 += used ? kDigits[(bits >> (18 - 6 * digit)) & 63U] : '=';
    }
  }
  return "'sha256-" + base64 + "'";
}

std::string name_text(std::string_view text) { return html_text(short_text(text, kName)); }

/// A name that may be broken between its parts: "lazarus:placement=spread".
std::string breakable(std::string_view text) {
  std::string out;
  for (const char c : name_text(text)) {
    out += c;
    if (c == ':' || c == '=' || c == ',') out += "<wbr>";
  }
  return out;
}

/// Lines of text in a <pre>: each cleaned by itself, the line ends kept.
std::string pre(std::string_view text) {
  std::string out = "<pre>";
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += html_text(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + "</pre>\n";
}

std::string cell_html(const ReportTable::Cell& cell, bool is_number, bool is_first) {
  std::string classes = is_number ? "n" : "";
  if (cell.best) classes += " best";
  std::string open = is_first ? "th scope=\"row\"" : "td";
  if (!classes.empty()) open += fmt::format(" class=\"{}\"", classes);
  if (cell.value) open += fmt::format(" data-value=\"{}\"", *cell.value);
  const std::string star = cell.best ? " <span title=\"best\" aria-label=\"best\">★</span>" : "";
  std::string text = is_number ? html_text(cell.text) : "<bdi>" + breakable(cell.text) + "</bdi>";
  const auto interval = text.find(" [");
  if (is_number && interval != std::string::npos) {
    return fmt::format("<{}>{}{} <small>{}</small></td>", open, text.substr(0, interval), star,
                       text.substr(interval + 1));
  }
  return fmt::format("<{}>{}{}</{}>", open, text, star, is_first ? "th" : "td");
}

std::string row_html(const ReportTable& table, const ReportTable::Row& row) {
  std::string out = "<tr>";
  if (row.is_remark) {
    out += fmt::format("<th scope=\"row\"><bdi>{}</bdi></th><td colspan=\"{}\">{}</td>",
                       name_text(row.cells[0].text), table.columns.size() - 1,
                       html_text(row.cells[1].text));
    return out + "</tr>\n";
  }
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    out += cell_html(row.cells[i], table.columns[i].is_number, i == 0);
  }
  return out + "</tr>\n";
}

/// A table that scrolls sideways by itself, sortable when scripts run.
std::string table_html(const ReportTable& table, std::string_view caption) {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n"
      "<table class=\"sortable wide\"><caption>{0}</caption>\n<thead><tr>",
      html_text(caption));
  for (const auto& column : table.columns) {
    out += fmt::format("<th scope=\"col\"{}{}>{}</th>", column.is_number ? " class=\"n\"" : "",
                       column.hint.empty()
                           ? std::string()
                           : fmt::format(" title=\"{}\"", html_text(short_text(column.hint, 300))),
                       name_text(column.title));
  }
  out += "</tr></thead>\n";
  for (const bool bounds : {false, true}) {
    std::string rows;
    for (const auto& row : table.rows) {
      if (row.is_bound == bounds) rows += row_html(table, row);
    }
    if (!rows.empty()) {
      out += fmt::format("<tbody{}>\n{}</tbody>\n", bounds ? " class=\"bounds\"" : "", rows);
    }
  }
  return out + "</table></div>\n";
}

std::string details(std::string_view summary, const std::string& content) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", html_text(summary), content);
}

bool has_bounds(const ReportTable& table) {
  return std::any_of(table.rows.begin(), table.rows.end(),
                     [](const ReportTable::Row& row) { return row.is_bound; });
}

/// The rows of a figure, the first of them when there are many.
std::string data_table(const Chart& chart) {
  std::string out = fmt::format("<p>{}</p>\n", html_text(chart.alternative));
  for (const auto& data : chart.data) {
    ReportTable table;
    for (std::size_t c = 0; c < data.columns.size(); ++c) {
      const bool text = std::any_of(data.rows.begin(), data.rows.end(), [&](const auto& row) {
        return std::holds_alternative<std::string>(row[c]);
      });
      table.columns.push_back({data.columns[c].title, "", !text});
    }
    for (std::size_t r = 0; r < std::min(kRows, data.rows.size()); ++r) {
      ReportTable::Row& row = table.rows.emplace_back();
      for (const auto& cell : data.rows[r]) {
        const auto number = number_in(cell);
        row.cells.push_back(
            {number ? fmt::format("{:.6g}", *number) : text_in(cell), number, false});
      }
    }
    std::string caption = fmt::format("{}: {} rows", chart.title, data.rows.size());
    if (data.rows.size() > kRows) {
      caption += fmt::format(", the first {} here; report --figures writes all", kRows);
    }
    out += table_html(table, caption);
  }
  return details("In words and numbers", out);
}

/// A sweep of very many points keeps those with most goodput, in their order.
void keep_best(ReportTable& table) {
  constexpr std::size_t kPoints = 500;
  if (table.rows.size() <= kPoints) return;
  std::size_t column = 0;
  while (table.columns[column].title != "tokens/s") ++column;
  std::vector<double> values;
  for (const auto& row : table.rows) values.push_back(row.cells[column].value.value_or(-1));
  std::vector<double> sorted = values;
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<ReportTable::Row> kept;
  for (std::size_t i = 0; i < values.size() && kept.size() < kPoints; ++i) {
    if (values[i] >= sorted[kPoints - 1]) kept.push_back(std::move(table.rows[i]));
  }
  table.rows = std::move(kept);
}

class Page {
 public:
  Page(const ReportData& data, const std::vector<Chart>& charts, const PageOptions& options)
      : data_(data),
        charts_(charts),
        draws_(options.interactive && !vega_script().empty() && !charts.empty()) {}

  std::string write() {
    head();
    top();
    if (!data_.only_validation()) {
      scenario();
      comparison();
    }
    if (is_validated()) validation();
    figures();
    appendix();
    scripts();
    return std::move(out_);
  }

 private:
  bool is_validated() const { return data_.validation.kind != JsonNode::Kind::null; }
  bool is_sweep() const { return data_.manifest.kind != JsonNode::Kind::null; }

  void head() {
    std::string scripts = csp_hash(report_script());
    if (draws_) scripts += " " + csp_hash(vega_script());
    out_ += fmt::format(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {}; "
        "style-src {}; img-src data:; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"generator\" content=\"bethany {}\">\n<title>{}</title>\n<style>",
        scripts, csp_hash(report_style()), BETHANY_VERSION, name_text(title()));
    out_ += report_style();
    out_ += "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n";
  }

  std::string title() const {
    return data_.only_validation() ? "Predictions beside measurements" : title_of(data_);
  }

  void top() {
    const ReportVerdict verdict =
        data_.only_validation()
            ? ReportVerdict{flag_at(data_.validation, {"passed"}) ? "Passed" : "Not passed",
                            text_at(data_.validation, {"verdict"}) + "."}
            : report_verdict(data_);
    out_ += fmt::format(
        "<header>\n<p class=\"kind\">Bethany report: policies for training on unreliable "
        "clusters</p>\n<h1><bdi>{}</bdi></h1>\n</header>\n<main id=\"main\">\n"
        "<section class=\"verdict\" id=\"verdict\" aria-label=\"Verdict\">\n"
        "<p class=\"headline\">{}</p>\n<p>{}</p>\n</section>\n",
        name_text(title()), html_text(verdict.headline), html_text(verdict.text));
    out_ += "<nav aria-label=\"Contents\"><ul>\n";
    if (!data_.only_validation()) {
      out_ +=
          "<li><a href=\"#scenario\">Scenario</a></li>\n"
          "<li><a href=\"#comparison\">Comparison</a></li>\n";
    }
    if (is_validated()) out_ += "<li><a href=\"#validation\">Validation</a></li>\n";
    for (const auto& chart : charts_) {
      out_ += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", html_text(chart.id),
                          html_text(chart.title));
    }
    out_ += "<li><a href=\"#appendix\">Appendix</a></li>\n</ul></nav>\n";
  }

  void card(const std::vector<std::pair<std::string, std::string>>& facts) {
    out_ += "<dl class=\"card\">\n";
    for (const auto& [what, value] : facts) {
      const bool unknown = value.starts_with("UNKNOWN");
      out_ += fmt::format("<div><dt>{}</dt><dd{}>{}</dd></div>\n", html_text(what),
                          unknown ? " class=\"unknown\"" : "", html_text(short_text(value, 300)));
    }
    out_ += "</dl>\n";
  }

  void validation() {
    out_ += "<section id=\"validation\">\n<h2>Validation</h2>\n";
    card(validation_card(data_.validation));
    out_ += fmt::format("<p>{}</p>\n", html_text(claims_text(data_.validation)));
    for (const auto& [caption, table] : validation_tables(data_.validation)) {
      if (!table.rows.empty()) out_ += table_html(table, caption);
    }
    out_ += "</section>\n";
  }

  void scenario() {
    out_ += "<section id=\"scenario\">\n<h2>Scenario</h2>\n";
    card(scenario_card(data_));
    const auto warnings = report_warnings(data_);
    if (!warnings.empty()) {
      out_ += "<ul class=\"warnings\" aria-label=\"Warnings\">\n";
      for (const auto& warning : warnings) {
        out_ += fmt::format("<li>{}</li>\n", html_text(short_text(warning, 500)));
      }
      out_ += "</ul>\n";
    }
    out_ += "</section>\n";
  }

  void comparison() {
    ReportTable table = policies_table(data_);
    const std::size_t points = table.rows.size();
    if (is_sweep()) keep_best(table);
    out_ += "<section id=\"comparison\">\n<h2>Comparison</h2>\n";
    std::string caption = "Policies by the metrics they are judged by";
    if (is_sweep()) caption = "Points of the sweep, means over their runs";
    if (table.rows.size() < points) {
      caption += fmt::format(": the {} with most goodput of {}; runs.csv has all",
                             table.rows.size(), points);
    }
    out_ += table_html(table, caption);
    out_ += "<p class=\"note\">★ best of its column.";
    if (has_bounds(table)) {
      out_ += " Rows in italics are upper bounds, nothing that can be chosen.";
    }
    const auto draws = replications_of(data_);
    if (draws > 1) {
      out_ += fmt::format(
          " Values are means over {} replications; [ ] is a 95 % interval; recovered and "
          "predicted are over all disruptions.",
          draws);
    } else if (!is_sweep()) {
      out_ += " [ ] is the exact 95 % interval of what was observed.";
    }
    if (!is_sweep()) out_ += " Predictions are given uniform victims.";
    out_ += " Definitions stand in the appendix.</p>\n";
    const ReportTable pairs = pairs_table(data_);
    if (!pairs.rows.empty()) out_ += table_html(pairs, "Paired differences on common traces");
    const ReportTable all = metrics_of_policies(data_);
    if (!all.rows.empty()) {
      out_ += details("Every metric of every policy", table_html(all, "Every metric"));
    }
    out_ += "</section>\n";
  }

  void figures() {
    if (charts_.empty()) return;
    out_ += "<section id=\"figures\">\n<h2>Figures</h2>\n";
    if (draws_) {
      out_ +=
          "<p class=\"note screen\">Point at a mark for its values. Along a time axis, drag to "
          "move and hold Shift with the wheel to zoom.</p>\n";
    }
    for (const auto& chart : charts_) {
      out_ += fmt::format(
          "<figure id=\"{0}\" data-chart=\"data-{0}\">\n<h3>{1}</h3>\n"
          "<div class=\"picture\">\n",
          html_text(chart.id), html_text(chart.title));
      out_ += chart_svg(chart);
      out_ += fmt::format("</div>\n<figcaption>{}</figcaption>\n", html_text(chart.caption));
      out_ += data_table(chart) + "</figure>\n";
    }
    out_ += "</section>\n";
  }

  /// The numbers of a validation alone; the rest of the page is about simulations.
  void validation_appendix() {
    out_ += "<section id=\"appendix\">\n<h2>Appendix</h2>\n";
    out_ += details("The validation", pre(to_text(data_.validation)));
    if (draws_) out_ += details("Licences of the libraries in this page", pre(vega_licences()));
    out_ += "</section>\n</main>\n<footer><p class=\"note\">Made by bethany " BETHANY_VERSION
            ".</p></footer>\n";
  }

  void appendix() {
    if (data_.only_validation()) {
      validation_appendix();
      return;
    }
    out_ += "<section id=\"appendix\">\n<h2>Appendix</h2>\n<h3>How to make this again</h3>\n";
    out_ += pre(command_of(data_));
    out_ += fmt::format(
        "<p class=\"note\">With bethany {}, in the folder of the scenario below "
        "saved as scenario.json. The same command gives the same numbers.</p>\n",
        BETHANY_VERSION);
    ReportTable definitions;
    definitions.columns = {{"metric", "", false}, {"unit", "", false}, {"definition", "", false}};
    std::string rows;
    for (const auto& name : metrics().names()) {
      const Metric found = metric(name);
      rows +=
          fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                      html_text(found.name), html_text(found.unit), html_text(found.definition));
    }
    out_ += details("Definitions of the metrics",
                    "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">metric</th><th "
                    "scope=\"col\">unit</th><th scope=\"col\">definition</th></tr></thead>\n"
                    "<tbody>\n" +
                        rows + "</tbody></table></div>\n");
    out_ += details(is_sweep() ? "The scenario that is varied" : "The scenario, with every default",
                    pre(to_text(data_.scenario)));
    if (is_sweep()) {
      out_ += details("The manifest of the sweep", pre(to_text(data_.manifest)));
    }
    if (draws_) {
      out_ += details("Licences of the libraries in this page", pre(vega_licences()));
    } else {
      out_ +=
          "<p class=\"note\">The figures are pictures: this page was made without the "
          "libraries that let them be zoomed.</p>\n";
    }
    out_ +=
        "</section>\n</main>\n<footer><p class=\"note\">Simulated, not measured. Made by "
        "bethany " BETHANY_VERSION ".</p></footer>\n";
  }

  void scripts() {
    if (draws_) {
      const auto data = [&](std::string_view id, const std::string& json) {
        out_ += fmt::format("<script type=\"application/json\" id=\"{}\">", id);
        out_ += script_json(json) + "</script>\n";
      };
      data("theme", to_line(chart_theme()));
      for (const auto& chart : charts_) {
        JsonNode both;
        both.member("spec") = chart_spec(chart);
        both.member("data") = chart_rows(chart);
        data("data-" + html_text(chart.id), to_line(both));
      }
      out_ += "<script>";
      out_ += vega_script();
      out_ += "</script>\n";
    }
    out_ += "<script>";
    out_ += report_script();
    out_ += "</script>\n</body>\n</html>\n";
  }

  const ReportData& data_;
  const std::vector<Chart>& charts_;
  bool draws_;
  std::string out_;
};

}  // namespace

std::string report_page(const ReportData& data, const std::vector<Chart>& charts,
                        const PageOptions& options) {
  return Page(data, charts, options).write();
}

}  // namespace bethany
