// Who knocks so often that the door goes deaf for a while: the addresses that the kernel drops.
//
// Refusing a connection costs the service more than it costs a flooder, and every other tenant
// pays. An address over the limit of connections is barred for some seconds: its attempts get no
// answer at all (session/wire/drop_list.h). One per shard, which owns it; bounded, and when it is
// full the refusal at the door stays.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "session/wire/drop_list.h"
#include "storage/base/clock.h"

namespace wab::bridge {

class Barred {
 public:
  static constexpr std::chrono::seconds kFor{10};

  // False when it is no address, is barred already or there is no room.
  bool add(std::string_view address, SteadyTime now);
  // False when nobody's time is over.
  bool expire(SteadyTime now);
  // When the next one's time is over; only while not empty.
  SteadyTime next() const;
  bool empty() const { return list_.empty(); }
  const std::vector<wire::Dropped>& list() const { return list_; }

 private:
  std::vector<wire::Dropped> list_;
  std::vector<SteadyTime> until_;  // beside list_, ascending
};

}  // namespace wab::bridge
