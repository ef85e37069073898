#include "session/messaging/lid_map.h"

namespace wab::session {
namespace {

bool is_pair(const node::Jid& a, const node::Jid& b) {
  return (a.is_pn() && b.is_lid()) || (a.is_lid() && b.is_pn());
}

std::optional<node::Jid> read_counterpart(const std::optional<Bytes>& stored) {
  pb::StoredLidMap row;
  if (!stored || !row.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    return std::nullopt;
  }
  return node::Jid::parse(row.counterpart());
}

}  // namespace

awaitable<Result<void>> learn_pair(Change& change, node::Jid a, node::Jid b, UnixSeconds now) {
  a = a.bare();
  b = b.bare();
  if (!is_pair(a, b)) co_return ok();
  for (int side = 0; side < 2; ++side) {
    const node::Jid& from = side == 0 ? a : b;
    const node::Jid& to = side == 0 ? b : a;
    CO_TRY(auto known, co_await other_name(change, from));
    if (known && *known == to) continue;
    pb::StoredLidMap row;
    row.set_counterpart(to.text());
    row.set_learned_s(now);
    change.put(storage::Kind::lid_map, from.text(), to_bytes(view(row.SerializeAsString())));
  }
  co_return ok();
}

awaitable<Result<std::optional<node::Jid>>> other_name(Change& change, node::Jid bare) {
  storage::Key key{storage::Kind::lid_map, bare.bare().text()};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  co_return read_counterpart(stored);
}

awaitable<Result<node::Jid>> signal_jid(Change& change, node::Jid device) {
  if (!device.is_pn() && device.server != node::kHostedServer) co_return device;
  node::Jid pn = node::Jid::pn(device.user);
  CO_TRY(auto lid, co_await other_name(change, std::move(pn)));
  if (!lid || !lid->is_lid()) co_return device;
  node::Jid out = lid->with_device(device.device);
  if (device.is_hosted()) out.server = std::string(node::kHostedLidServer);
  co_return out;
}

}  // namespace wab::session
