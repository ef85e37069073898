#include "bridge/people.h"

#include <fstream>
#include <iostream>

#include "bridge/audit.h"
#include "bridge/auth.h"
#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"

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
  Auth auth{store, scopes, system_clock(), system_random()};
  Audit audit{store, system_clock(), scopes.deployment(), {executor}};

  // What is done here is in the log as what is done over the API.
  awaitable<Outcome<void>> note(storage::OrgScope chain, std::string action, std::string target,
                                std::string outcome) {
    AuditEntry entry;
    entry.actor = "command line";
    entry.action = std::move(action);
    entry.target = std::move(target);
    entry.outcome = std::move(outcome);
    auto done = co_await audit.append(chain, std::move(entry));
    co_return done;
  }
};

awaitable<int> make_token(Desk& desk, std::optional<OrgId> org, std::string name, Role role,
                          std::chrono::seconds life) {
  auto scope = desk.scopes.deployment();
  if (org) {
    std::vector<storage::Key> keys{storage::Key{storage::Kind::organization, org->text()}};
    auto found = co_await desk.store.load(scope, std::move(keys));
    if (!found || !found->front()) {
      co_return complain("token create: no organization " + org->text(), kExitUsage);
    }
    scope = desk.scopes.organization(*org);
  }
  auto minted = desk.auth.mint(scope, std::move(name), role, std::nullopt, life);
  const std::string text = minted.token, id = minted.record.id.text();
  const std::string action = "token.create", begun = "begun", done = "done";
  auto noted = co_await desk.note(scope, action, id, begun);
  if (!noted) co_return complain("token create: the audit log could not be written");
  std::vector<storage::Row> none;
  auto stored = co_await desk.auth.store(scope, std::move(minted), std::move(none));
  if (!stored) co_return complain("token create: the token could not be stored");
  noted = co_await desk.note(scope, action, id, done);
  if (!noted) co_return complain("token create: the audit log could not be written");
  std::cout << text << std::endl;
  co_return kExitDone;
}

awaitable<int> make_user(Desk& desk, BlockingPool& password_pool, std::string email,
                         std::string password) {
  People people(desk.store, desk.scopes.deployment(), desk.auth, system_clock(), system_random(),
                password_pool);
  const std::string address = email;
  const std::string action = "user.create", begun = "begun";
  const auto chain = desk.scopes.deployment();
  auto noted = co_await desk.note(chain, action, address, begun);
  if (!noted) co_return complain("user create: the audit log could not be written");
  auto made = co_await people.create_user(std::move(email), std::move(password), Role::operators,
                                          std::nullopt);
  const std::string end = made ? "done" : "refused";
  noted = co_await desk.note(chain, action, address, end);
  if (!noted) co_return complain("user create: the audit log could not be written");
  if (!made) co_return complain("user create: " + made.error().detail);
  std::cout << address << std::endl;
  co_return kExitDone;
}

}  // namespace

int token_create(const Config& config, const NewToken& wish) {
  const auto role = parse_role(wish.role);
  if (!role) {
    return complain("--role: use operator, owner, admin, agent or viewer", kExitUsage);
  }
  std::optional<OrgId> org;
  if (!wish.organization.empty()) {
    org = OrgId::parse(wish.organization);
    if (!org) return complain("--organization: not an organization id", kExitUsage);
  }
  if (org.has_value() == (*role == Role::operators)) {
    return complain("--organization: needed for every role but operator", kExitUsage);
  }
  auto life = config.auth.token_ttl_default;
  if (!wish.expires_in.empty()) {
    const auto parsed = parse_duration(wish.expires_in);
    if (!parsed) return complain("--expires-in: write a duration such as 90d", kExitUsage);
    life = *parsed;
  }
  Shards shards(1);
  BlockingPool disk("disk", 1, 64);
  auto store = open_store(config, disk);
  if (!store) return complain(store.error());
  Desk desk{**store, shards.executor(0)};
  std::function<awaitable<int>()> work = [&] {
    return make_token(desk, org, wish.name, *role, life);
  };
  return run_to_end(shards, std::move(work));
}

int user_create(const Config& config, const std::string& email, const std::string& password_file) {
  std::ifstream file(password_file);
  std::string password;
  if (!file || !std::getline(file, password)) {
    return complain("--password-file: cannot read a password from " + password_file, kExitUsage);
  }
  Shards shards(1);
  BlockingPool disk("disk", 1, 64);
  BlockingPool hashing("password", 1, 8);
  auto store = open_store(config, disk);
  if (!store) return complain(store.error());
  Desk desk{**store, shards.executor(0)};
  std::function<awaitable<int>()> work = [&] { return make_user(desk, hashing, email, password); };
  return run_to_end(shards, std::move(work));
}

}  // namespace wab::bridge
