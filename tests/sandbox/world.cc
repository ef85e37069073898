#include "tests/sandbox/world.h"

#include "tests/sandbox/service.h"

namespace wab::sandbox {

World::World(Clock& clock, Random& random, Settings settings)
    : service_(std::make_unique<Service>(clock, random, std::move(settings))) {}
World::~World() = default;

void World::set_hooks(PhoneHooks* hooks) { service_->hooks_ = hooks; }
void World::set_faults(FaultPolicy* faults) {
  service_->faults_ = faults == nullptr ? &service_->no_faults_ : faults;
}
FaultPolicy& World::faults() { return *service_->faults_; }
void World::on_stanza(StanzaObserver observer) { service_->observer_ = std::move(observer); }
Settings& World::settings() { return service_->settings_; }
UnixMillis World::now_ms() const { return service_->now(); }
void World::set_clock_offset(std::chrono::milliseconds offset) {
  service_->offset_ = offset.count();
}
Random& World::random() { return service_->random_; }
void World::tick() { service_->tick(); }

Account& World::account_for(const std::string& push_name) {
  if (!push_name.empty()) {
    const auto found = service_->by_push_name_.find(push_name);
    if (found != service_->by_push_name_.end()) return *found->second;
  }
  return create_account("", push_name);
}

Account& World::create_account(const std::string& pn, const std::string& push_name) {
  Account& made = service_->create_account(pn, push_name);
  service_->flush();
  return made;
}

Account* World::account_by_pn(const std::string& digits) {
  return service_->account_of(node::Jid::pn(digits));
}
Account* World::account_by_lid(const std::string& digits) {
  return service_->account_of(node::Jid::lid(digits));
}
Account* World::account_of(const node::Jid& jid) { return service_->account_of(jid); }

std::vector<Account*> World::accounts() {
  std::vector<Account*> out;
  for (const auto& [pn, account] : service_->accounts_) out.push_back(account.get());
  return out;
}

std::vector<DeviceInfo> World::devices(const Account& account) {
  std::vector<DeviceInfo> out;
  for (const Device* device : service_->devices_of(account)) {
    const Connection* connection = device->connection;
    out.push_back({device->jid, device->key_index, device->keys.registration_id,
                   device->keys.identity, device->keys.one_time.size(), device->queue.size(),
                   connection != nullptr, connection != nullptr && connection->active});
  }
  return out;
}

void World::attach(const DeviceJid& jid, Port& port) {
  Account* account = service_->account_of(jid.jid());
  if (account == nullptr) return;
  Device& device = service_->add_device(*account, jid.device);
  if (jid.device == 0) {
    device.keys.identity = to_bytes(ByteView(account->identity.pub));
    device.keys.registration_id = account->registration_id;
  }
  auto connection = std::make_unique<Connection>();
  connection->port = &port;
  connection->state = Connection::State::open;
  connection->device = &device;
  connection->active = true;
  device.connection = connection.get();
  service_->phones_[jid] = std::move(connection);
  release_backlog(*service_, *device.connection);
  service_->flush();
}

void World::detach(const DeviceJid& jid) {
  const auto found = service_->phones_.find(jid);
  if (found == service_->phones_.end()) return;
  service_->drop(*found->second);
  service_->graveyard_.push_back(std::move(found->second));
  service_->phones_.erase(found);
  service_->flush();
}

void World::submit(const DeviceJid& jid, node::Node stanza) {
  const auto found = service_->phones_.find(jid);
  if (found == service_->phones_.end()) return;
  service_->arrive(*found->second, std::move(stanza));
  service_->flush();
}

ScannedQr World::scan_qr(const std::string& text) {
  ScannedQr out = sandbox::scan_qr(*service_, text);
  service_->flush();
  return out;
}

const PendingRegistration* World::registration(ConnectionId id) {
  const Connection* connection = service_->connection(id);
  if (connection == nullptr || connection->state != Connection::State::registering) return nullptr;
  return &connection->registration;
}

const LinkCodeHello* World::link_code(const std::string& pn) {
  return find_link_code(*service_, pn);
}

bool World::send_primary_hello(const std::string& pn, const Bytes& wrapped_primary_ephemeral,
                               const Bytes& primary_identity_pub) {
  const bool sent =
      sandbox::send_primary_hello(*service_, pn, wrapped_primary_ephemeral, primary_identity_pub);
  service_->flush();
  return sent;
}

bool World::offer_pair_success(ConnectionId id, Account& account, const PairOffer& offer) {
  Connection* connection = service_->connection(id);
  if (connection == nullptr) return false;
  const bool offered = sandbox::offer_pair_success(*service_, *connection, account, offer);
  service_->flush();
  return offered;
}

bool World::remove_device(const DeviceJid& jid) {
  Device* device = service_->device(jid);
  if (device == nullptr || jid.device == 0) return false;
  service_->remove_device(*device);
  service_->flush();
  return true;
}

bool World::send(const DeviceJid& jid, node::Node stanza) {
  Device* device = service_->device(jid);
  if (device == nullptr) return false;
  service_->deliver(*device, std::move(stanza));
  service_->flush();
  return true;
}

size_t World::redeliver(const DeviceJid& jid, size_t count) {
  Device* device = service_->device(jid);
  if (device == nullptr) return 0;
  count = std::min(count, device->acknowledged.size());
  std::vector<node::Node> again(device->acknowledged.end() - static_cast<std::ptrdiff_t>(count),
                                device->acknowledged.end());
  for (node::Node& stanza : again) {
    device->acked_ids.erase(stanza.tag + " " + stanza.attr("id"));
    if (!stanza.has("offline")) stanza.set("offline", "1");
    service_->deliver(*device, std::move(stanza));
  }
  service_->flush();
  return count;
}

bool World::end(const DeviceJid& jid, const std::optional<node::Node>& last) {
  Device* device = service_->device(jid);
  if (device == nullptr || device->connection == nullptr) return false;
  if (last) service_->say(*device->connection, *last);
  service_->end(*device->connection);
  service_->flush();
  return true;
}

const std::vector<Violation>& World::violations() const { return service_->violations_; }

void World::record(const std::string& rule, const DeviceJid& device, const std::string& text) {
  service_->violation(rule.c_str(), device, 0, text);
}

ConnectionId World::open(Port& port) {
  auto connection = std::make_unique<Connection>();
  connection->id = service_->next_connection_++;
  connection->port = &port;
  connection->last_frame = service_->now();
  const ConnectionId id = connection->id;
  service_->connections_.emplace(id, std::move(connection));
  return id;
}

void World::begin(ConnectionId id, const Bytes& noise_static, const Bytes& client_payload) {
  Connection* connection = service_->connection(id);
  if (connection == nullptr) return;
  connection->last_frame = service_->now();
  begin_connection(*service_, *connection, noise_static, client_payload);
  service_->flush();
}

void World::receive(ConnectionId id, node::Node stanza) {
  Connection* connection = service_->connection(id);
  if (connection == nullptr) return;
  connection->last_frame = service_->now();
  service_->arrive(*connection, std::move(stanza));
  service_->flush();
}

void World::malformed(ConnectionId id, const std::string& rule, const std::string& text) {
  Connection* connection = service_->connection(id);
  service_->violation(rule.c_str(), connection, text);
  if (connection == nullptr) return;
  if (connection->state != Connection::State::opening) {
    node::Node last("stream:error");
    last.add(node::Node("xml-not-well-formed"));
    service_->say(*connection, std::move(last));
  }
  service_->end(*connection);
  service_->flush();
}

void World::record(const std::string& rule, ConnectionId id, const std::string& text) {
  service_->violation(rule.c_str(), service_->connection(id), text);
}

void World::closed(ConnectionId id) {
  Connection* connection = service_->connection(id);
  if (connection == nullptr) return;
  service_->drop(*connection);
  service_->flush();
}

bool World::issued_routing_info(const Bytes& blob) {
  return service_->routing_infos_.contains(blob);
}

DeviceJid World::device_of(ConnectionId id) {
  const Connection* connection = service_->connection(id);
  return connection == nullptr || connection->device == nullptr ? DeviceJid{}
                                                                : connection->device->jid;
}

}  // namespace wab::sandbox
