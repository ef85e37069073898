// The audit log: who did what, one hash-chained log per organization and one of the deployment.
//
// Any shard. A chain has a home shard, where appends wait for each other; what queued while the
// last write was synced becomes the next write. An entry is a row Kind::audit of the organization
// (sealed like every row), name "e" and its number; "head" holds the number and hash of the last
// and is rewritten in the same commit, so that taking away the end is found too. The deployment
// keeps one more row per organization, "chain" and its id, with an early head and then every
// kAnchorEvery entries: an organization whose rows were all taken away, or set back to an older
// state by more than that, does not verify.
//
// Order: an entry "begun" is durable before a handler has any effect, and one with the outcome is
// durable before the answer leaves (bridge/audited.h). So no effect is without an entry; a crash in
// between leaves a "begun" alone, and the truth is then in the rows of the thing itself. Sign-ins
// are written after the check and before the answer: a browser session whose cookie was never sent
// is worth nothing.
//
// Not in the log: reads, and the sending of messages, which are durable rows with their own state.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "bridge/audit_chain.h"
#include "bridge/problem.h"
#include "storage/base/async.h"
#include "storage/store.h"

namespace wab::bridge {

inline constexpr uint64_t kAnchorEvery = 64;

class Audit {
 public:
  // One executor per shard, all of which outlive the last call.
  Audit(storage::Store& store, Clock& clock, storage::OrgScope deployment,
        std::vector<any_io_executor> homes);
  ~Audit();

  const storage::OrgScope& deployment() const { return deployment_; }

  // Durable when it returns. `at` 0 becomes now; seq, prev and hash are given here.
  awaitable<Outcome<void>> append(storage::OrgScope chain, AuditEntry entry);
  // Lines of the entries numbered after + 1 and so on, at most `limit`; shorter at the end.
  awaitable<Outcome<std::vector<std::string>>> lines(storage::OrgScope chain, uint64_t after,
                                                     size_t limit);
  awaitable<Outcome<AuditHead>> head(storage::OrgScope chain);
  // An organization was erased: its chain begins anew if its id ever came back.
  awaitable<Outcome<void>> forget(storage::OrgScope chain);

  // Reads a whole chain, with nothing else writing to it.
  struct Verdict {
    std::optional<std::string> wrong;  // in words; nothing: every byte is as it was written
    AuditHead head;                    // where it ends, when nothing is wrong
  };
  awaitable<Outcome<Verdict>> verify(storage::OrgScope chain);

  // "deployment" or the organization's id, as in an export.
  std::string name_of(const storage::OrgScope& chain) const;
  // Proof of an export's last line.
  AuditMac mac_of(storage::OrgScope chain) const;

 private:
  struct Waiting;
  struct Chain;
  struct Home;
  Home& home_of(const storage::OrgScope& chain);
  awaitable<Outcome<void>> do_append(Home& home, storage::OrgScope chain, AuditEntry entry);
  awaitable<Outcome<void>> write(Chain& state, storage::OrgScope chain,
                                 std::vector<AuditEntry> entries);
  static awaitable<void> drop(Home& home, OrgId org);
  awaitable<Outcome<AuditHead>> read_head(storage::OrgScope chain);
  awaitable<Outcome<void>> anchor(storage::OrgScope chain, AuditHead head);

  storage::Store& store_;
  Clock& clock_;
  storage::OrgScope deployment_;
  std::vector<std::unique_ptr<Home>> homes_;
};

}  // namespace wab::bridge
