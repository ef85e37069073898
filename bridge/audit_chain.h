// The form of the audit log: entries as lines, their hashes, and the judge of a chain.
//
// Pure. An entry is one line of JSON whose last field is "hash": the SHA-256, in hex, of the line's
// bytes before `,"hash":"`. Inside stands "prev", the hash of the entry before (64 zeros for the
// first), so that no entry can be changed, moved or taken out without changing all that follow. The
// same bytes are the stored row and the exported line. Anybody can follow the chain with a SHA-256
// and nothing else; that the end is the true end is proven by the kept head, and in an export by
// the last line, whose "mac" only the deployment can make.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace wab::bridge {

struct AuditEntry {
  uint64_t seq = 0;  // from 1, without gaps; given by the chain
  UnixMillis at = 0;
  std::string actor;    // "tok_...", "usr_...", "command line", "service", or as whom one tried
  std::string action;   // "session.delete"
  std::string target;   // ids of the path or of what was made, "" without one
  std::string address;  // of the client
  std::string request;  // X-Request-Id
  // begun: written before the effect. done, refused (the caller's fault) or failed (ours): what
  // became of it. A "begun" without a second entry of the same request was cut off in between.
  std::string outcome;
  std::string detail;  // the code of the problem, what changed
  std::string prev, hash;
};

struct AuditHead {
  uint64_t seq = 0;  // of the last entry, 0: none yet
  std::string hash = std::string(64, '0');
};

// Bounds the texts, links the entry behind `head` and prints it; `head` moves on to it.
std::string audit_line(AuditEntry entry, AuditHead& head);
// The entry of a line, hash proven; nothing when one byte is not as audit_line() printed it.
std::optional<AuditEntry> parse_audit_line(std::string_view line);

// Judges lines one after another. The first problem is final and in words.
class AuditJudge {
 public:
  // Goes on behind this entry; the default is the beginning.
  explicit AuditJudge(AuditHead after = {}) : last_(std::move(after)) {}
  std::optional<std::string> next(std::string_view line);
  const AuditHead& last() const { return last_; }

 private:
  AuditHead last_;
};

// The last line of an export: which chain, what stands above it, and where the chain ended when it
// was made. `mac` is given the bytes before `,"mac":"`.
using AuditMac = std::function<std::string(std::string_view bytes)>;
struct AuditSeal {
  std::string chain;    // organization id text, or "deployment"
  uint64_t after = 0;   // the export holds the entries above this one
  uint64_t last = 0;    // up to this one
  AuditHead head;       // of the whole chain
  UnixMillis made = 0;  // when
};
std::string seal_line(const AuditSeal& seal, const AuditMac& mac);
std::optional<AuditSeal> parse_seal_line(std::string_view line, const AuditMac& mac);
// A whole export, every byte of it. On success `seal` says what it was.
std::optional<std::string> judge_export(std::string_view text, const AuditMac& mac,
                                        AuditSeal& seal);

}  // namespace wab::bridge
