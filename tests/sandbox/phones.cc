#include <algorithm>

#include "tests/sandbox/phone.h"
#include "tests/sandbox/phone_pairing.h"

namespace wab::sandbox {

struct Phones::CodeEntry {
  EnteredCode entered;
  Bytes ref;
};

Phones::Phones(World& world) : world_(world) {
  world_.set_hooks(this);
  for (Account* account : world_.accounts()) on_account(*account);
}

Phones::~Phones() {
  world_.set_hooks(nullptr);
  for (const auto& [pn, phone] : phones_) world_.detach(DeviceJid{pn, 0});
}

void Phones::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!ready_.empty()) {
    Phone* phone = ready_.front();
    ready_.pop_front();
    phone->work();
  }
  pumping_ = false;
}

void Phones::ready(Phone& phone) {
  if (std::ranges::find(ready_, &phone) != ready_.end()) return;
  ready_.push_back(&phone);
  if (wake_ && !pumping_) wake_();
}

void Phones::tick() {
  for (const auto& [pn, phone] : phones_) phone->tick();
  pump();
}

Phone* Phones::find(const std::string& pn) {
  const auto found = phones_.find(pn);
  return found == phones_.end() ? nullptr : found->second.get();
}

void Phones::on_account(Account& account) {
  auto& slot = phones_[account.pn];
  if (slot != nullptr) return;
  slot = std::make_unique<Phone>(*this, world_, account);
  world_.attach(DeviceJid{account.pn, 0}, *slot);
  slot->begin();
}

void Phones::on_paired(Account& account, uint16_t device) {
  if (Phone* phone = find(account)) phone->on_paired(device);
}

void Phones::on_removed(Account& account, uint16_t device) {
  if (Phone* phone = find(account)) phone->on_removed(device);
}

PairOffer Phones::offer(Account& account, const Key32& companion_identity, ByteView adv_secret) {
  CompanionGrant grant;
  grant.raw_id = account.registration_id;  // as in the signed list of key indexes
  grant.timestamp = world_.now_s();
  grant.key_index = account.next_key_index++;
  PairOffer out;
  out.device_identity =
      sign_companion(account.identity, grant, companion_identity, adv_secret, world_.random());
  if (account.lid_migrated) out.client_props = {0x08, 0x01};  // isChatDbLidMigrated
  return out;
}

Phones::Scan Phones::scan_qr(const std::string& text) {
  const ScannedQr scanned = world_.scan_qr(text);
  Scan out{scanned.status, scanned.text, {}};
  if (scanned.status != ScanStatus::ok) return out;
  const PendingRegistration* registration = world_.registration(scanned.connection);
  const auto identity =
      registration == nullptr ? std::nullopt : to_array<32>(registration->identity_pub);
  if (!identity || scanned.account == nullptr) return {ScanStatus::unknown_ref, "gone", {}};
  out.pn = scanned.account->pn;
  const PairOffer made = offer(*scanned.account, *identity, scanned.adv_secret);
  if (!world_.offer_pair_success(scanned.connection, *scanned.account, made)) {
    out.status = ScanStatus::unknown_ref;
    out.text = "the code was used already";
  }
  pump();
  return out;
}

Phones::CodeStatus Phones::enter_code(const std::string& pn, const std::string& code) {
  const auto normal = normal_code(code);
  if (!normal) return CodeStatus::malformed;
  Account* account = world_.account_by_pn(pn);
  if (account == nullptr) return CodeStatus::no_phone;
  const LinkCodeHello* hello = world_.link_code(pn);
  if (hello == nullptr) return CodeStatus::no_code;
  auto entered = enter_pairing_code(*normal, hello->wrapped_companion_ephemeral, world_.random());
  if (!entered) return CodeStatus::no_code;
  const Bytes wrapped = entered->wrapped;
  auto& slot = codes_[pn];
  slot = std::make_unique<CodeEntry>(CodeEntry{std::move(*entered), hello->ref});
  if (!world_.send_primary_hello(pn, wrapped, to_bytes(ByteView(account->identity.pub)))) {
    return CodeStatus::no_code;
  }
  return CodeStatus::ok;
}

std::optional<PairOffer> Phones::on_link_code_finish(Account& account,
                                                     const LinkCodeFinish& finish) {
  const auto found = codes_.find(account.pn);
  const auto identity = to_array<32>(finish.companion_identity);
  if (found == codes_.end() || !identity || found->second->ref != finish.ref) return std::nullopt;
  const auto secret = open_key_bundle(found->second->entered, account.identity,
                                      finish.wrapped_key_bundle, *identity);
  if (!secret) return std::nullopt;
  codes_.erase(found);
  return offer(account, *identity, secret->reveal());
}

}  // namespace wab::sandbox
