#include "bridge/people.h"

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

namespace {

constexpr const char* kSetupDone = "setup";

}  // namespace

People::People(storage::Store& store, storage::OrgScope deployment, Auth& auth, Clock& clock,
               Random& random, BlockingPool& password)
    : store_(store),
      deployment_(deployment),
      auth_(auth),
      clock_(clock),
      random_(random),
      passwords_(password),
      guard_(clock, random),
      users_(auth.users()),
      browsers_(auth.browsers()) {}

awaitable<Outcome<std::optional<std::string>>> People::prepare_setup() {
  auto complete = co_await users_.complete();
  if (!complete) co_return refuse(complete.error());
  const std::string name = kSetupDone;
  auto done = co_await load_one(store_, deployment_, Kind::deployment_meta, name);
  if (!done) co_return refuse(problem_of(done.error()));
  if (*done) {
    setup_pending_ = false;
    co_return std::optional<std::string>();
  }
  std::string token = make_token(TokenKind::setup, random_);
  const json row = {{"v", 1},
                    {"hash", to_hex(store_.keyed_hash(deployment_, "setup", view(token)))},
                    {"expires_at", clock_.now_ms() + kSetupLifeMs}};
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::setup_token, "", row));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  setup_pending_ = true;
  co_return std::optional<std::string>(std::move(token));
}

awaitable<Outcome<MintedToken>> People::setup(std::string setup_token, std::string email,
                                              std::string password,
                                              std::chrono::seconds token_life) {
  if (!setup_pending_) co_return refuse(Code::setup_done);
  if (setup_running_.exchange(true)) co_return refuse(Code::conflict, "Another setup is running.");
  struct Running {
    std::atomic<bool>& flag;
    ~Running() { flag = false; }
  } running{setup_running_};

  if (check_token(setup_token) != TokenKind::setup) co_return refuse(Code::unauthenticated);
  const std::string none;
  auto stored = co_await load_one(store_, deployment_, Kind::setup_token, none);
  if (!stored) co_return refuse(problem_of(stored.error()));
  const auto hash_of_token = to_hex(store_.keyed_hash(deployment_, "setup", view(setup_token)));
  if (!*stored || clock_.now_ms() >= number_at(**stored, "expires_at") ||
      !equal_constant_time(view(text_at(**stored, "hash")), view(hash_of_token))) {
    co_return refuse(Code::unauthenticated,
                     "The setup token is wrong or older than 30 minutes; restart for a new one.");
  }
  email = folded_email(std::move(email));
  if (auto good = judge_password(password, email); !good) co_return refuse(good.error());
  auto hashed = co_await passwords_.hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());

  UserRecord user;
  user.id = UserId::random(random_);
  user.email = email;
  user.role = Role::operators;
  user.password = std::move(*hashed);
  user.created_at = clock_.now_ms();
  const json done = {{"v", 1}, {"at", clock_.now_ms()}};
  const std::string name = "setup by " + email;
  auto minted = auth_.mint(deployment_, name, Role::operators, std::nullopt, token_life);
  auto commit = users_.commit();
  commit.put.push_back(json_row(Kind::deployment_meta, kSetupDone, done));
  commit.put.push_back(minted.lookup);
  commit.put.push_back(minted.row);
  commit.erase.push_back(Key{Kind::setup_token, ""});
  const auto turn = co_await users_.turn();
  auto added = co_await users_.add(std::move(user), std::move(commit));
  if (!added) co_return refuse(added.error());
  setup_pending_ = false;
  co_return std::move(minted);
}

awaitable<Outcome<UserId>> People::create_user(std::string email, std::string password, Role role,
                                               std::optional<OrgId> org) {
  email = folded_email(std::move(email));
  if (auto good = judge_password(password, email); !good) co_return refuse(good.error());
  auto hashed = co_await passwords_.hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());
  UserRecord user;
  user.id = UserId::random(random_);
  user.email = email;
  user.role = role;
  user.org = org;
  user.password = std::move(*hashed);
  user.created_at = clock_.now_ms();
  const auto id = user.id;
  auto commit = users_.commit();
  if (role == Role::operators) {
    const json done = {{"v", 1}, {"at", clock_.now_ms()}};
    commit.put.push_back(json_row(Kind::deployment_meta, kSetupDone, done));
    commit.erase.push_back(Key{Kind::setup_token, ""});
  }
  const auto turn = co_await users_.turn();
  auto taken = co_await users_.by_email(email);
  if (!taken) co_return refuse(taken.error());
  if (*taken) co_return refuse(Code::conflict, "This e-mail address has a user.");
  auto added = co_await users_.add(std::move(user), std::move(commit));
  if (!added) co_return refuse(added.error());
  if (role == Role::operators) setup_pending_ = false;
  co_return id;
}

}  // namespace wab::bridge
