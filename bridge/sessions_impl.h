// What the files of Sessions share. Not for others.
#pragma once

#include "bridge/sessions.h"

namespace wab::bridge {

inline constexpr size_t kHandshakesAtOnce = 32;  // of one shard

struct Sessions::Entry {
  Entry(storage::OrgScope scope, SessionView settings) : org(scope), view(std::move(settings)) {}

  storage::OrgScope org;
  SessionView view;  // status is asked of the actor
  std::unique_ptr<SessionContextImpl> context;
  std::unique_ptr<session::Session> session;
  uint64_t version = 1;
  bool erased = false;
  bool held_back = false;  // since a restore
  Event changed;
};

struct Sessions::Shard {
  Shard(any_io_executor where, double rate)
      : executor(std::move(where)), budget(rate, kHandshakesAtOnce) {}

  any_io_executor executor;
  DialBudget budget;
  std::map<SessionId, EntryPtr> entries;
  bool closing = false;
};

}  // namespace wab::bridge
