#include "bridge/audit_chain.h"

#include <sodium.h>

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kHex = 64;
constexpr std::string_view kHash = R"(,"hash":")", kMac = R"(,"mac":")", kEnd = R"("})";

std::string sha256(std::string_view bytes) {
  ByteArray<32> out;
  crypto_hash_sha256(out.data(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return to_hex(out);
}

// At most `most` bytes, cut between characters.
std::string bounded(std::string text, size_t most) {
  if (text.size() > most) {
    while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xc0) == 0x80) --most;
    text.resize(most);
  }
  return text;
}

std::string print(const json& fields) {
  std::string out = fields.dump(-1, ' ', false, json::error_handler_t::replace);
  out.pop_back();  // the brace: one more field comes
  return out;
}

// The bytes before the last field, when the line ends in it and its value is `expected` of them.
template <class Proof>
std::optional<std::string_view> proven(std::string_view line, std::string_view field,
                                       const Proof& expected) {
  const size_t tail = field.size() + kHex + kEnd.size();
  if (line.size() <= tail || !line.ends_with(kEnd)) return std::nullopt;
  const auto body = line.substr(0, line.size() - tail);
  if (line.substr(body.size(), field.size()) != field) return std::nullopt;
  const std::string proof = expected(body);
  const auto given = line.substr(body.size() + field.size(), kHex);
  if (proof.size() != kHex || !equal_constant_time(view(proof), view(given))) return std::nullopt;
  return body;
}

std::optional<nlohmann::json> parse(std::string_view body) {
  const auto parsed = nlohmann::json::parse(std::string(body) + "}", nullptr, false);
  if (!parsed.is_object() || number_at(parsed, "v") != 1) return std::nullopt;
  return parsed;
}

}  // namespace

std::string audit_line(AuditEntry entry, AuditHead& head) {
  const json fields = {{"v", 1},
                       {"seq", head.seq + 1},
                       {"at", to_iso8601(entry.at)},
                       {"at_ms", entry.at},
                       {"actor", bounded(std::move(entry.actor), 320)},
                       {"action", bounded(std::move(entry.action), 64)},
                       {"target", bounded(std::move(entry.target), 320)},
                       {"address", bounded(std::move(entry.address), 64)},
                       {"request", bounded(std::move(entry.request), 64)},
                       {"outcome", bounded(std::move(entry.outcome), 16)},
                       {"detail", bounded(std::move(entry.detail), 512)},
                       {"prev", head.hash}};
  const std::string body = print(fields);
  head.hash = sha256(body);
  ++head.seq;
  return body + std::string(kHash) + head.hash + std::string(kEnd);
}

std::optional<AuditEntry> parse_audit_line(std::string_view line) {
  const auto body = proven(line, kHash, sha256);
  const auto fields = body ? parse(*body) : std::nullopt;
  if (!fields) return std::nullopt;
  AuditEntry out;
  out.seq = static_cast<uint64_t>(number_at(*fields, "seq"));
  out.at = number_at(*fields, "at_ms");
  out.actor = text_at(*fields, "actor");
  out.action = text_at(*fields, "action");
  out.target = text_at(*fields, "target");
  out.address = text_at(*fields, "address");
  out.request = text_at(*fields, "request");
  out.outcome = text_at(*fields, "outcome");
  out.detail = text_at(*fields, "detail");
  out.prev = text_at(*fields, "prev");
  out.hash = line.substr(body->size() + kHash.size(), kHex);
  return out;
}

std::optional<std::string> AuditJudge::next(std::string_view line) {
  const std::string which = "entry " + std::to_string(last_.seq + 1);
  const auto entry = parse_audit_line(line);
  if (!entry) return which + " was changed";
  if (entry->seq != last_.seq + 1) {
    return which + " is missing: number " + std::to_string(entry->seq) + " stands in its place";
  }
  if (entry->prev != last_.hash) return which + " does not follow the one before";
  last_.seq = entry->seq;
  last_.hash = entry->hash;
  return std::nullopt;
}

std::string seal_line(const AuditSeal& seal, const AuditMac& mac) {
  const json fields = {{"v", 1},
                       {"chain", seal.chain},
                       {"after", seal.after},
                       {"last", seal.last},
                       {"head_seq", seal.head.seq},
                       {"head", seal.head.hash},
                       {"made", to_iso8601(seal.made)},
                       {"made_ms", seal.made}};
  const std::string body = print(fields);
  return body + std::string(kMac) + mac(body) + std::string(kEnd);
}

std::optional<AuditSeal> parse_seal_line(std::string_view line, const AuditMac& mac) {
  const auto body = proven(line, kMac, mac);
  const auto fields = body ? parse(*body) : std::nullopt;
  if (!fields) return std::nullopt;
  AuditSeal out;
  out.chain = text_at(*fields, "chain");
  out.after = static_cast<uint64_t>(number_at(*fields, "after"));
  out.last = static_cast<uint64_t>(number_at(*fields, "last"));
  out.head.seq = static_cast<uint64_t>(number_at(*fields, "head_seq"));
  out.head.hash = text_at(*fields, "head");
  out.made = number_at(*fields, "made_ms");
  return out;
}

std::optional<std::string> judge_export(std::string_view text, const AuditMac& mac,
                                        AuditSeal& seal) {
  if (!text.ends_with('\n')) return "the end is missing";
  text.remove_suffix(1);
  const auto cut = text.rfind('\n');
  const auto last_line = cut == std::string_view::npos ? text : text.substr(cut + 1);
  const auto parsed = parse_seal_line(last_line, mac);
  if (!parsed) return "the last line is not the seal of this deployment";
  seal = *parsed;
  auto entries = cut == std::string_view::npos ? std::string_view() : text.substr(0, cut + 1);
  // Of an export that goes on behind another, the first entry says what it follows.
  AuditHead before;
  before.seq = seal.after;
  if (seal.after > 0 && !entries.empty()) {
    const auto first = parse_audit_line(entries.substr(0, entries.find('\n')));
    if (!first) return "entry " + std::to_string(seal.after + 1) + " was changed";
    before.hash = first->prev;
  }
  AuditJudge judge(std::move(before));
  while (!entries.empty()) {
    const auto end = entries.find('\n');
    if (auto wrong = judge.next(entries.substr(0, end))) return wrong;
    entries.remove_prefix(end + 1);
  }
  if (judge.last().seq != seal.last) {
    return "it ends with entry " + std::to_string(judge.last().seq) + " instead of " +
           std::to_string(seal.last);
  }
  if (seal.last == seal.head.seq && seal.last > seal.after && judge.last().hash != seal.head.hash) {
    return "the last entry is not the one that was sealed";
  }
  return std::nullopt;
}

}  // namespace wab::bridge
