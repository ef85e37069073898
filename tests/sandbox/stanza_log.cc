#include "tests/sandbox/stanza_log.h"

#include <algorithm>

namespace wab::sandbox {
namespace {

constexpr size_t kXmlLimit = 16'384;

size_t weight(const LoggedStanza& stanza) { return sizeof(LoggedStanza) + stanza.xml.size(); }

}  // namespace

StanzaLog::StanzaLog(size_t most, size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

void StanzaLog::add(const StanzaEvent& event) {
  LoggedStanza& entry = log_.emplace_back();
  entry.seq = ++seq_;
  entry.at = event.at;
  entry.direction = event.direction;
  entry.device = event.device;
  entry.connection = event.connection;
  if (event.node != nullptr) {
    entry.tag = event.node->tag;
    entry.xml = node::to_xml(*event.node, kXmlLimit);
  }
  if (event.violations != nullptr) {
    for (const Violation& one : *event.violations) entry.violations.push_back({one.rule, one.text});
  }
  bytes_ += weight(entry);
  while (!log_.empty() && (log_.size() > most_ || bytes_ > most_bytes_)) {
    bytes_ -= weight(log_.front());
    log_.pop_front();
  }
}

std::vector<const LoggedStanza*> StanzaLog::find(const Query& query) const {
  std::vector<const LoggedStanza*> out;
  auto at = std::ranges::upper_bound(log_, query.since, {}, &LoggedStanza::seq);
  for (; at != log_.end() && out.size() < query.limit; ++at) {
    if (!query.account.empty() && at->device.pn != query.account) continue;
    if (query.only_violations && at->violations.empty()) continue;
    out.push_back(&*at);
  }
  return out;
}

}  // namespace wab::sandbox
