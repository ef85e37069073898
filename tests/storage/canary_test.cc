// Nothing that a person wrote, is called or must keep secret stands readable on the disk.
#include "storage/backup.h"
#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

class Canary : public StoreTest {
 protected:
  const std::vector<std::string> planted = {
      "15550100002",
      "15550100002@s.whatsapp.net",
      "88812345678901@lid",
      "120363025246125486@g.us",
      "15550100002.0:17",
      "3EB0C767D71D5F1B3A42",
      "Ana Canary Martins",
      "Grupo Canario Secreto",
      "the text of a canary message",
      "https://receiver.canary.example/hook?token=q",
      "whsec_C4n4rySecretC4n4rySecret==",
      "wab_live_canarycanarycanarycanary12345",
      "ana@canary.example",
      "canary-noise-private-key-bytes!!",
      "canary-identity-key",
      "canary-ratchet-root",
      "canary-sender-key-chain",
      "evt_canarycanarycanary",
      "canary.event.type",
      "canary-attempt-state-503",
  };

  // Everything under the data directory, names included.
  std::string everything() {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data())) {
      all += entry.path().string() + "\n";
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  void plant() {
    Commit commit(scope);
    for (const std::string& word : planted) {
      for (const Kind kind : {Kind::identity, Kind::signal_session, Kind::device_list}) {
        commit.put.push_back(row(kind, word, "value " + word));
      }
      commit.put_org.push_back(row(Kind::endpoint, word, word));
      commit.marks.push_back(Mark{word, 5});
      EventRow told = event(session, commit.events.size() + 1, "{\"text\":\"" + word + "\"}");
      told.id = word;
      told.type = word;
      commit.events.push_back(std::move(told));
      commit.deliveries.push_back(
          DeliveryRow{EndpointId(), session, commit.events.size(), {}, to_bytes(word)});
    }
    ASSERT_TRUE(caller(store->commit(std::move(commit))));
    Commit deployment(issuer.deployment());
    for (const std::string& word : planted) {
      deployment.put.push_back(row(Kind::user, word, word));
      deployment.put.push_back(row(Kind::token_lookup, word, word));
    }
    ASSERT_TRUE(caller(store->commit(std::move(deployment))));
  }
  void expect_none() {
    const std::string all = everything();
    ASSERT_GT(all.size(), 50'000u);
    for (const std::string& word : planted) {
      EXPECT_EQ(all.find(word), std::string::npos) << word;
      EXPECT_EQ(all.find(to_hex(view(word))), std::string::npos) << word;
    }
  }
};

TEST_F(Canary, NotInTheLog) {
  open();
  plant();
  expect_none();
  for (const std::string& word : planted) EXPECT_EQ(log.all().find(word), std::string::npos);
}

TEST_F(Canary, NotInTablesAfterRecoveryAndFlush) {
  RocksOptions small = options();
  small.write_buffer_bytes = 64 << 10;  // flushed while writing
  open(small);
  for (int i = 0; i < 6; ++i) plant();
  store.reset();
  open(small);
  EXPECT_EQ(value(scope, Kind::identity, planted[0]), "value " + planted[0]);
  store.reset();
  expect_none();
  bool tables = false;
  for (const auto& entry : std::filesystem::directory_iterator(data() + "/db")) {
    tables |= entry.path().extension() == ".sst";
  }
  EXPECT_TRUE(tables) << "nothing was flushed, so no table was looked at";
}

TEST_F(Canary, NotInBackupsNorTheirKeysNorWhatIsPutBack) {
  open();
  plant();
  BackupWish wish;
  wish.to = data() + "/backups";  // below what expect_none() looks at
  wish.keys_to = data() + "/keys";
  ASSERT_TRUE(store->backup(wish, message)) << message;
  plant();
  ASSERT_TRUE(store->backup(wish, message)) << message;
  store.reset();
  RestoreWish back;
  back.from = wish.to;
  back.keys = wish.keys_to;
  back.to = data() + "/restored";
  back.root_key = "file:" + root_file();
  back.now = 1'796'000'000'000;
  ASSERT_TRUE(restore_backup(back, message)) << message;
  expect_none();
}

TEST_F(Canary, TheSearchFindsWhatIsThere) {
  open();
  std::ofstream(data() + "/plain") << "x" << planted[8] << "y";
  EXPECT_NE(everything().find(planted[8]), std::string::npos);
}

}  // namespace
}  // namespace wab::storage::tests
