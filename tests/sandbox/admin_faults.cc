// POST /admin/faults: one rule, or a list of them (also under "rules").
//
//   selectors  account, device, direction ("in": from the device, "out": to it), tag, type, child,
//              after, count, probability, seed
//   effects    drop, reorder, cut: true · delay_ms, duplicate (copies): N · cut_after_bytes: N ·
//              stream_error: N or {code, conflict} · failure: N or {reason, ...} (at login) ·
//              handshake: NAME · black_hole, shuffle_frames: true
//   at once    redeliver: N (of account and device) · clock_offset_s: N · and cut or stream_error
//              when the rule names a device but no direction, tag, type, child, after or
//              probability
#include <algorithm>

#include "tests/sandbox/admin.h"
#include "tests/sandbox/admin_json.h"

namespace wab::sandbox {
namespace {

constexpr size_t kMostRules = 200;

std::optional<node::Node> stream_error_from(const Json& value) {
  if (value.is_number_integer()) return stream_error_node(value.get<int>());
  if (value.is_string()) return stream_error_node(0, value.get<std::string>());
  if (!value.is_object()) return std::nullopt;
  return stream_error_node(static_cast<int>(integer_of(value, "code").value_or(0)),
                           string_of(value, "conflict"));
}

std::optional<node::Node> failure_from(const Json& value) {
  if (value.is_number_integer()) return failure_node(value.get<int>());
  const auto reason = integer_of(value, "reason");
  if (!reason) return std::nullopt;
  node::Node out = failure_node(static_cast<int>(*reason));
  for (const auto& [key, extra] : value.items()) {
    if (key == "reason") continue;
    if (extra.is_string()) out.set(key, extra.get<std::string>());
    if (extra.is_number_integer()) out.set(key, std::to_string(extra.get<int64_t>()));
  }
  return out;
}

constexpr const char* kKnown[] = {"account",
                                  "device",
                                  "direction",
                                  "tag",
                                  "type",
                                  "child",
                                  "after",
                                  "count",
                                  "probability",
                                  "seed",
                                  "drop",
                                  "reorder",
                                  "cut",
                                  "delay_ms",
                                  "duplicate",
                                  "cut_after_bytes",
                                  "stream_error",
                                  "failure",
                                  "handshake",
                                  "black_hole",
                                  "shuffle_frames",
                                  "redeliver",
                                  "clock_offset_s"};

struct Parsed {
  FaultRule rule;
  std::string wrong;
  bool has_selector = false;  // beyond account and device
};

uint64_t natural(const Json& json, const char* key, uint64_t otherwise) {
  const auto value = integer_of(json, key);
  return value && *value >= 0 ? static_cast<uint64_t>(*value) : otherwise;
}

Parsed rule_from(const Json& json) {
  Parsed out;
  FaultRule& rule = out.rule;
  if (!json.is_object()) return {{}, "a fault is an object", false};
  for (const auto& [key, value] : json.items()) {
    const bool known =
        std::any_of(std::begin(kKnown), std::end(kKnown), [&](const char* k) { return key == k; });
    if (!known) return {{}, "unknown key: " + key, false};
  }
  rule.account = string_of(json, "account");
  if (const auto device = integer_of(json, "device")) rule.device = static_cast<uint16_t>(*device);
  const std::string direction = string_of(json, "direction");
  if (direction == "in" || direction == "to_server") {
    rule.direction = Direction::to_server;
  } else if (direction == "out" || direction == "to_device") {
    rule.direction = Direction::to_device;
  } else if (!direction.empty()) {
    return {{}, "direction: in or out expected", false};
  }
  rule.tag = string_of(json, "tag");
  rule.type = string_of(json, "type");
  rule.child = string_of(json, "child");
  rule.after = natural(json, "after", 0);
  rule.count = natural(json, "count", 0);
  rule.seed = natural(json, "seed", 1);
  const Json* probability = member(json, "probability");
  if (probability != nullptr && probability->is_number()) {
    rule.probability = probability->get<double>();
  }
  out.has_selector = rule.direction || !rule.tag.empty() || !rule.type.empty() ||
                     !rule.child.empty() || rule.after != 0 || probability != nullptr;

  rule.drop = flag_of(json, "drop");
  rule.reorder = flag_of(json, "reorder");
  rule.cut = flag_of(json, "cut");
  rule.delay = std::chrono::milliseconds(natural(json, "delay_ms", 0));
  if (flag_of(json, "duplicate")) rule.copies = 2;
  if (const auto copies = integer_of(json, "duplicate")) rule.copies = static_cast<int>(*copies);
  if (const auto bytes = integer_of(json, "cut_after_bytes")) {
    rule.cut_after_bytes = natural(json, "cut_after_bytes", 0);
    if (rule.count == 0) rule.count = 1;
  }
  rule.black_hole = flag_of(json, "black_hole");
  rule.shuffle_frames = flag_of(json, "shuffle_frames");
  if (const Json* value = member(json, "stream_error")) {
    rule.end_with = stream_error_from(*value);
    if (!rule.end_with) out.wrong = "stream_error: a code or {code, conflict} expected";
  }
  if (const Json* value = member(json, "failure")) {
    rule.failure = failure_from(*value);
    if (!rule.failure) out.wrong = "failure: a reason or {reason} expected";
  }
  if (member(json, "handshake") != nullptr) {
    const auto fault = handshake_fault(string_of(json, "handshake"));
    if (!fault) out.wrong = "handshake: unknown fault";
    rule.handshake = fault.value_or(HandshakeFault::none);
  }
  return out;
}

bool has_effect(const FaultRule& rule) {
  return rule.drop || rule.reorder || rule.cut || rule.delay.count() > 0 || rule.copies != 1 ||
         rule.end_with || rule.cut_after_bytes || rule.failure || rule.black_hole ||
         rule.shuffle_frames || rule.handshake != HandshakeFault::none;
}

}  // namespace

Admin::Outcome Admin::post_faults(const Call& call) {
  const auto body = parse_json(call.request.body);
  if (!body) return {error_response(400, "the body is not JSON")};
  const Json* wrapped = member(*body, "rules");
  const Json& given = wrapped != nullptr ? *wrapped : *body;
  const Json list = given.is_array() ? given : Json::array({given});
  if (list.size() > kMostRules) return {error_response(400, "too many faults")};
  std::vector<Parsed> parsed;
  for (const Json& one : list) {
    Parsed rule = rule_from(one);
    if (rule.wrong.empty() && !has_effect(rule.rule) && member(one, "redeliver") == nullptr &&
        member(one, "clock_offset_s") == nullptr) {
      rule.wrong = "a fault without effect";
    }
    if (!rule.wrong.empty()) return {error_response(400, rule.wrong)};
    parsed.push_back(std::move(rule));
  }
  Json ids = Json::array();
  Json redelivered = Json::array();
  for (size_t i = 0; i < parsed.size(); ++i) {
    FaultRule& rule = parsed[i].rule;
    const DeviceJid device{rule.account, rule.device.value_or(1)};
    if (const auto seconds = integer_of(list[i], "clock_offset_s")) {
      world_.set_clock_offset(std::chrono::seconds(*seconds));
    }
    if (const auto count = integer_of(list[i], "redeliver")) {
      redelivered.push_back(
          world_.redeliver(device, static_cast<size_t>(std::max<int64_t>(0, *count))));
    }
    if (!has_effect(rule)) continue;
    const bool at_once = !rule.account.empty() && rule.device && !parsed[i].has_selector &&
                         (rule.cut || rule.end_with);
    if (at_once) {
      world_.end(device, rule.end_with);
    } else {
      ids.push_back(faults_.add(std::move(rule)));
    }
  }
  return {
      json_response(200, Json{{"ids", std::move(ids)}, {"redelivered", std::move(redelivered)}})};
}

Admin::Outcome Admin::get_faults(const Call&) {
  Json list = Json::array();
  for (const Faults::Listed& one : faults_.list()) {
    list.push_back({{"id", one.id},
                    {"fired", one.fired},
                    {"account", one.rule->account},
                    {"tag", one.rule->tag},
                    {"count", one.rule->count}});
  }
  return {json_response(200, Json{{"rules", std::move(list)}})};
}

Admin::Outcome Admin::delete_faults(const Call&) {
  faults_.clear();
  world_.set_clock_offset(std::chrono::milliseconds(0));
  return {json_response(200, Json::object())};
}

}  // namespace wab::sandbox
