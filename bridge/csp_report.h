// What a browser's report about the console's policy says, in our own words.
//
// Pure. Reports come unasked and from anybody: of each only words out of fixed lists are kept,
// never an address, a line or a piece of script.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace wab::bridge {

struct CspReport {
  std::string_view directive;  // "script-src", or "other"
  std::string_view
      blocked;  // "inline", "eval", "data", "blob", "trusted-types", "address", "other"
  bool operator==(const CspReport&) const = default;
};
inline constexpr size_t kMostReports = 20;  // of one request; the rest is not looked at

// Of a body of application/csp-report, or of application/reports+json (other kinds are left out).
std::vector<CspReport> csp_reports(const nlohmann::json& body);

}  // namespace wab::bridge
