// The service while its store is sealed: it listens where the service listens, answers everything
// with 503 `sealed`, and waits for `waslo-bridge unseal`.
//
// No key is in this process. Who may unseal is decided by the operating system: the command speaks
// over the socket STORAGE.PATH/unseal, which only this user (and root) may open, and the peer's
// user is looked at again. The root key is read from its source afresh, or comes with the command
// when it stands in the command's environment (env:).
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "bridge/config.h"
#include "storage/base/secret.h"

namespace wab::bridge {

struct SealedEnd {
  bool unsealed = false;  // else SIGTERM or SIGINT
  // What the root key's source gave, proven to open the keyring.
  std::shared_ptr<const LockedSecret> root;
};
// Runs until then. The error is one line for stderr.
tl::expected<SealedEnd, std::string> run_sealed(const Config& config);

// `waslo-bridge unseal`: the other end of the socket. 0, or the exit code after one line on stderr.
int unseal(const Config& config);

}  // namespace wab::bridge
