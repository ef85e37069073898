// Operators and users: first setup, passwords, browser sessions.
//
// Any shard; password hashing (Argon2id, 64 MiB, 3 passes) runs on its own pool with a short queue,
// and what does not fit there is refused with 429. Rows in the deployment (JSON with "v": 1): user
// by e-mail, setup_token, browser_session by keyed hash of the cookie, deployment_meta "setup".
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "bridge/access.h"
#include "bridge/auth.h"
#include "storage/base/blocking.h"

namespace wab::bridge {

inline constexpr int64_t kSetupLifeMs = 30 * 60 * 1000;

class People {
 public:
  // `deployment` from ScopeIssuer::deployment(). `password` should have one thread and a queue
  // of 8.
  People(storage::Store& store, storage::OrgScope deployment, Auth& auth, Clock& clock,
         Random& random, BlockingPool& password);

  // Call once before serving: whether setup is still to be done, and if so a fresh setup token,
  // which replaces any earlier one. The caller prints it once.
  awaitable<Outcome<std::optional<std::string>>> prepare_setup();
  bool setup_pending() const { return setup_pending_; }

  // The first operator and a token for them.
  awaitable<Outcome<MintedToken>> setup(std::string setup_token, std::string email,
                                        std::string password, std::chrono::seconds token_life);
  // For the command line and later routes. Code::conflict when the address is taken.
  awaitable<Outcome<UserId>> create_user(std::string email, std::string password, Role role,
                                         std::optional<OrgId> org);

  // The value of the cookie. The time taken does not tell whether the address is known.
  struct Login {
    std::string cookie;
    Role role = Role::viewer;
    std::string organization;  // id text, "" for an operator
  };
  awaitable<Outcome<Login>> login(std::string email, std::string password);
  awaitable<Outcome<void>> logout(std::string cookie);

 private:
  awaitable<Outcome<std::string>> hash(std::string password);
  awaitable<Outcome<bool>> verify(std::string hash, std::string password);

  storage::Store& store_;
  storage::OrgScope deployment_;
  Auth& auth_;
  Clock& clock_;
  Random& random_;
  BlockingPool& password_;
  std::atomic<bool> setup_pending_{false};
  std::atomic<bool> setup_running_{false};
};

}  // namespace wab::bridge
