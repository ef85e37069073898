#include "tests/sandbox/faults.h"

#include <algorithm>
#include <array>
#include <utility>

namespace wab::sandbox {
namespace {

constexpr size_t kMaxRules = 1'000;

// splitmix64.
uint64_t draw(uint64_t& state) {
  state += 0x9E3779B97F4A7C15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

bool for_stanzas(const FaultRule& rule) {
  return rule.drop || rule.reorder || rule.cut || rule.delay.count() > 0 || rule.copies != 1 ||
         rule.end_with;
}

}  // namespace

uint64_t Faults::add(FaultRule rule) {
  if (rules_.size() >= kMaxRules) rules_.erase(rules_.begin());
  Standing standing;
  standing.id = next_id_++;
  standing.state = rule.seed;
  standing.rule = std::move(rule);
  rules_.push_back(std::move(standing));
  return rules_.back().id;
}

std::vector<Faults::Listed> Faults::list() const {
  std::vector<Listed> out;
  for (const Standing& one : rules_) out.push_back({one.id, one.fired, &one.rule});
  return out;
}

bool Faults::selects(const FaultRule& rule, const DeviceJid& device) {
  if (!rule.account.empty() && rule.account != device.pn) return false;
  if (rule.device) return *rule.device == device.device && !device.pn.empty();
  return device.device != 0 || device.pn.empty();
}

bool Faults::fires(Standing& standing) {
  const FaultRule& rule = standing.rule;
  if (rule.count != 0 && standing.fired >= rule.count) return false;
  if (standing.passed++ < rule.after) return false;
  if (rule.probability < 1.0) {
    const double unit = static_cast<double>(draw(standing.state) >> 11) * 0x1.0p-53;
    if (unit >= rule.probability) return false;
  }
  ++standing.fired;
  return true;
}

Fate Faults::on_stanza(Direction direction, const DeviceJid& device, const node::Node& stanza) {
  Fate fate;
  for (Standing& one : rules_) {
    const FaultRule& rule = one.rule;
    if (!for_stanzas(rule) || !selects(rule, device)) continue;
    if (rule.direction && *rule.direction != direction) continue;
    if (!rule.tag.empty() && rule.tag != stanza.tag) continue;
    if (!rule.type.empty() && rule.type != stanza.attr("type")) continue;
    if (!rule.child.empty() && stanza.child(rule.child) == nullptr) continue;
    if (!fires(one)) continue;
    fate.drop = fate.drop || rule.drop;
    fate.hold = fate.hold || rule.reorder;
    fate.cut = fate.cut || rule.cut;
    fate.delay += rule.delay;
    if (rule.copies != 1) fate.copies = rule.copies;
    if (rule.end_with) fate.end_with = rule.end_with;
  }
  return fate;
}

std::optional<size_t> Faults::on_bytes(Direction direction, const DeviceJid& device, size_t size) {
  std::optional<size_t> passes;
  for (Standing& one : rules_) {
    const FaultRule& rule = one.rule;
    if (!rule.cut_after_bytes || !selects(rule, device)) continue;
    if (rule.direction && *rule.direction != direction) continue;
    if (rule.count != 0 && one.fired >= rule.count) continue;
    if (one.bytes + size <= *rule.cut_after_bytes) {
      one.bytes += size;
      continue;
    }
    const auto left = static_cast<size_t>(*rule.cut_after_bytes - one.bytes);
    one.bytes = 0;
    ++one.fired;
    passes = passes ? std::min(*passes, left) : left;
  }
  return passes;
}

HandshakeFault Faults::on_handshake() {
  for (Standing& one : rules_) {
    if (one.rule.handshake != HandshakeFault::none && fires(one)) return one.rule.handshake;
  }
  return HandshakeFault::none;
}

std::optional<node::Node> Faults::on_login(const DeviceJid& device) {
  for (Standing& one : rules_) {
    if (one.rule.failure && selects(one.rule, device) && fires(one)) return one.rule.failure;
  }
  return std::nullopt;
}

bool Faults::black_hole() {
  for (Standing& one : rules_) {
    if (one.rule.black_hole && fires(one)) return true;
  }
  return false;
}

bool Faults::shuffle_frames() {
  for (Standing& one : rules_) {
    if (one.rule.shuffle_frames && fires(one)) return true;
  }
  return false;
}

node::Node stream_error_node(int code, const std::string& conflict) {
  node::Node out("stream:error");
  if (code != 0) out.set("code", code);
  if (!conflict.empty()) out.add(node::Node("conflict").set("type", conflict));
  return out;
}

node::Node failure_node(int reason) {
  node::Node out("failure");
  out.set("reason", reason).set("location", "sandbox");
  return out;
}

std::optional<HandshakeFault> handshake_fault(std::string_view name) {
  using enum HandshakeFault;
  static constexpr std::array<std::pair<std::string_view, HandshakeFault>, 11> kNames = {{
      {"bad_leaf_signature", bad_leaf_signature},
      {"bad_intermediate_signature", bad_intermediate_signature},
      {"bad_issuer_serial", bad_issuer_serial},
      {"leaf_key_differs", leaf_key_differs},
      {"expired", expired},
      {"not_yet_valid", not_yet_valid},
      {"missing_leaf", missing_leaf},
      {"short_signature", short_signature},
      {"short_static", short_static},
      {"no_answer", no_answer},
      {"close_in_the_middle", close_in_the_middle},
  }};
  for (const auto& [text, fault] : kNames) {
    if (text == name) return fault;
  }
  return std::nullopt;
}

}  // namespace wab::sandbox
