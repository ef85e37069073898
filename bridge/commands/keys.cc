#include <iostream>

#include "bridge/audit.h"
#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"
#include "storage/root_key.h"

namespace wab::bridge {
namespace {

int complain(const std::string& line, int code = kExitFailed) {
  std::cerr << line << std::endl;
  return code;
}

struct Desk {
  storage::RocksStore& store;
  any_io_executor executor;
  storage::ScopeIssuer scopes = store.issuer();
  Audit audit{store, system_clock(), scopes.deployment(), {executor}};

  // What is done here is in the log as what is done over the API.
  awaitable<bool> note(std::string target, std::string outcome) {
    AuditEntry entry;
    entry.actor = "command line";
    entry.action = "key.rotate";
    entry.target = std::move(target);
    entry.outcome = std::move(outcome);
    const auto chain = scopes.deployment();
    auto done = co_await audit.append(chain, std::move(entry));
    if (!done) complain("key rotate: the audit log could not be written");
    co_return done.has_value();
  }
};

awaitable<int> rotate_root(Desk& desk, std::string to) {
  std::string message;
  std::string source = to;
  auto done = co_await desk.store.rotate_root_key(std::move(source), message);
  if (!done) co_return complain("key rotate: " + message);
  std::cout << "the keyring is sealed under the new root key; set storage.root_key = \"" << to
            << "\" before the next start" << std::endl;
  co_return kExitDone;
}

awaitable<int> rotate_kek(Desk& desk) {
  std::string message;
  auto done = co_await desk.store.rotate_key_encryption_key(message);
  if (!done) co_return complain("key rotate: " + message);
  std::cout << "key-encryption key: term " << desk.store.key_term() << std::endl;
  co_return kExitDone;
}

awaitable<int> rotate_data(Desk& desk, std::optional<OrgId> only) {
  std::vector<storage::OrgScope> chosen;
  const auto deployment = desk.scopes.deployment();
  if (!only) chosen.push_back(deployment);
  std::string after;
  do {
    auto page = co_await desk.store.scan(deployment, storage::Kind::organization, after, 200);
    if (!page) co_return complain("key rotate: the organizations could not be read");
    for (const auto& row : page->rows) {
      const auto id = OrgId::parse(row.key.name);
      if (id && (!only || *only == *id)) chosen.push_back(desk.scopes.organization(*id));
    }
    after = page->next;
  } while (!after.empty());
  if (chosen.empty()) co_return complain("key rotate: no organization " + only->text(), kExitUsage);
  for (const auto& each : chosen) {
    auto begun = co_await desk.store.rotate_data_key(each);
    if (!begun) {
      co_return complain("key rotate: " + each.org().text() + ": " + begun.error().describe());
    }
  }
  desk.store.finish_rotations();
  const auto left = desk.store.rotations();
  for (const auto& each : left) {
    complain("key rotate: " + each.org.text() + ": " + std::to_string(each.unreadable) +
             " records do not open, the old data key is kept; erase the sessions that the log "
             "names and rotate again");
  }
  std::cout << "data keys rotated: " << chosen.size() - left.size() << " of " << chosen.size()
            << std::endl;
  co_return left.empty() ? kExitDone : kExitFailed;
}

awaitable<int> rotate(Desk& desk, KeyRotation wish, std::optional<OrgId> org) {
  const std::string target = wish.what + (org ? " " + org->text() : "");
  std::string outcome = "begun";
  std::string about = target;
  if (!co_await desk.note(std::move(about), std::move(outcome))) co_return kExitFailed;
  int code = kExitFailed;
  if (wish.what == "root") {
    code = co_await rotate_root(desk, wish.to);
  } else if (wish.what == "kek") {
    code = co_await rotate_kek(desk);
  } else {
    code = co_await rotate_data(desk, org);
  }
  outcome = code == kExitDone ? "done" : "failed";
  about = target;
  if (!co_await desk.note(std::move(about), std::move(outcome))) co_return kExitFailed;
  co_return code;
}

}  // namespace

int key_new(const std::string& path) {
  std::string message;
  const auto made = storage::create_root_key_file(path, system_random(), message);
  if (!made) return complain("key new: " + message);
  std::cout << path << std::endl;
  return kExitDone;
}

int key_rotate(const Config& config, const KeyRotation& wish) {
  if (wish.what != "root" && wish.what != "kek" && wish.what != "data") {
    return complain("--what: use root, kek or data", kExitUsage);
  }
  if ((wish.what == "root") != !wish.to.empty()) {
    return complain(
        "--to: needed for root, and only there: file:PATH, env:NAME, exec:COMMAND or "
        "passphrase:PATH",
        kExitUsage);
  }
  std::optional<OrgId> org;
  if (!wish.organization.empty()) {
    org = OrgId::parse(wish.organization);
    if (!org || wish.what != "data") {
      return complain("--organization: an organization id, with --what data", kExitUsage);
    }
  }
  Shards shards(1);
  BlockingPool disk("disk", 1, 64);
  auto store = open_store(config, disk, StoreWish{true, {}});
  if (!store && wish.what == "root") {
    // Killed after its one step, or done by somebody else.
    Config rotated = config;
    rotated.storage.root_key = wish.to;
    if (open_store(rotated, disk)) {
      std::cout << "the keyring is sealed under this root key already; set storage.root_key = \""
                << wish.to << "\"" << std::endl;
      return kExitDone;
    }
  }
  if (!store) return complain(store.error());
  Desk desk{**store, shards.executor(0)};
  std::function<awaitable<int>()> work = [&] { return rotate(desk, wish, org); };
  return run_to_end(shards, std::move(work));
}

}  // namespace wab::bridge
