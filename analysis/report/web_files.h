#pragma once

#include <string_view>

namespace bethany {

/// Files that are part of the program and of every report page.

std::string_view report_style();   // web/report.css
std::string_view report_script();  // web/report.js
/// Vega, Vega-Lite and Vega's interpreter as one script; empty when the build had no npm.
std::string_view vega_script();
/// Their licences: names, versions and texts; empty like vega_script().
std::string_view vega_licences();

}  // namespace bethany
