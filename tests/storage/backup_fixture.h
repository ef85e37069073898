// A store with something of everything, its backups, their keys, and where they are put back.
#pragma once

#include "storage/backup.h"
#include "storage/key_backup.h"
#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {

class Backup : public StoreTest {
 protected:
  const std::string to = home / "backups", keys = home / "keys", restored = home / "restored";

  BackupWish wish() {
    BackupWish out;
    out.to = to;
    out.keys_to = keys;
    out.now = 1'795'000'000'000;
    return out;
  }
  BackupEntry back_up() { return back_up(wish()); }
  BackupEntry back_up(BackupWish with) {
    auto made = store->backup(with, message);
    EXPECT_TRUE(made) << message;
    return made ? *made : BackupEntry();
  }
  Result<Verified> verify(const std::string& with_keys, uint32_t id = 0) {
    VerifyWish wish;
    wish.from = to;
    wish.keys = with_keys;
    wish.id = id;
    wish.root_key = "file:" + root_file();
    return verify_backup(wish, message);
  }
  RestoreWish restore_wish() {
    RestoreWish wish;
    wish.from = to;
    wish.to = restored;
    wish.keys = keys;
    wish.root_key = "file:" + root_file();
    wish.now = 1'796'000'000'000;
    return wish;
  }
  Result<RestoreReport> restore() { return restore_backup(restore_wish(), message); }
  RocksOptions restored_options() {
    RocksOptions out = options();
    out.path = restored;
    return out;
  }
  // One of everything, for two organizations and the deployment.
  void fill(int round) {
    const std::string n = std::to_string(round);
    for (const OrgId& each : {org, other_org}) {
      Commit commit(Scope(issuer.organization(each), session));
      const auto seq = static_cast<uint64_t>(round);
      commit.put = {row(Kind::identity, "", "identity " + n), row(Kind::prekey, n, "prekey " + n)};
      commit.put_org = {row(Kind::endpoint, n, "endpoint " + n)};
      commit.marks = {Mark{"mark " + n, 4'000'000'000}};
      commit.events = {event(session, seq, "event " + n)};
      commit.deliveries = {DeliveryRow{EndpointId(), session, seq, {}, to_bytes("owed " + n)}};
      ASSERT_TRUE(caller(store->commit(std::move(commit))));
      Commit deployment(issuer.deployment());
      deployment.put = {row(Kind::organization, each.text(), "organization")};
      ASSERT_TRUE(caller(store->commit(std::move(deployment))));
    }
  }
};

}  // namespace wab::storage::tests
