// The socket between `waslo-bridge unseal` and a sealed service: who opens it is this user or root.
//
// One request per connection: a length of four bytes and as many of a root key (none: read the
// source yourself); the answer is a line, "ok" or what is wrong. Blocking.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "storage/base/secret.h"

namespace wab::bridge {

class UnsealSocket {
 public:
  // On a thread of its own, one connection at a time. Answers "" when it worked, else a sentence.
  using Judge = std::function<std::string(LockedSecret given)>;  // empty: none came
  explicit UnsealSocket(Judge judge) : judge_(std::move(judge)) {}
  ~UnsealSocket();
  UnsealSocket(const UnsealSocket&) = delete;
  // The error is one line for stderr.
  tl::expected<void, std::string> open(const std::string& directory);
  void close();  // not from the judge

 private:
  void run();
  void serve(int connection);

  Judge judge_;
  std::string directory_;
  int listening_ = -1, stop_ = -1;
  std::thread thread_;
};

// The other end. "" when the service is unsealed, else a sentence.
std::string ask_to_unseal(const std::string& directory, const LockedSecret* given);

}  // namespace wab::bridge
