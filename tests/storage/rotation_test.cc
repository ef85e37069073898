// Keys change while the store works.
#include "tests/storage/rotation_fixture.h"

namespace wab::storage::tests {
namespace {

TEST_F(Rotation, OfADataKeySealsEverythingAnewAndTheOldKeyOpensNothing) {
  open();
  fill();
  store.reset();
  const auto old = stolen_keys(data(), "file:" + root_file(), org);
  ASSERT_NE(old, nullptr);
  const Share before = share(data(), *old, org);
  EXPECT_EQ(before.opened, before.all) << "the thief's tools work";
  ASSERT_GT(before.all, 100u);
  const Rows old_rows = rows_at(data(), "rows"), old_events = rows_at(data(), "events");

  open();
  rotate_data(org);
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  expect_all_readable();
  store.reset();
  const Share after = share(data(), *old, org);
  EXPECT_EQ(after.all, before.all);
  EXPECT_EQ(after.opened, 0u);
  const std::string disk = all_bytes(data());
  for (const auto* rows : {&old_rows, &old_events}) {
    for (const auto& [key, value] : *rows) {
      if (!key.starts_with(std::string(text(org.bytes())))) continue;
      EXPECT_EQ(disk.find(std::string_view(value).substr(value.size() - 60)), std::string::npos)
          << "what the old key had sealed is still in a file";
    }
  }
  open();
  expect_all_readable();
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, OfADataKeyLeavesOtherOrganizationsAlone) {
  open();
  fill();
  store.reset();
  const auto before = rows_at(data(), "rows");
  open();
  rotate_data(org);
  store->finish_rotations();
  store.reset();
  size_t same = 0;
  for (const auto& [key, value] : rows_at(data(), "rows")) {
    if (key.starts_with(std::string(text(org.bytes())))) {
      EXPECT_NE(value, before.at(key));
    } else {
      EXPECT_EQ(value, before.at(key));
      ++same;
    }
  }
  EXPECT_GT(same, 10u);
}

TEST_F(Rotation, ManyTimesInARow) {
  open();
  fill(4);
  for (int i = 0; i < 5; ++i) {
    rotate_data(org);
    store->finish_rotations();
    rotate_term();
    EXPECT_TRUE(put(scope, Kind::head, "", std::to_string(i)));
  }
  expect_all_readable();
  EXPECT_EQ(store->key_term(), 6u);
  reopen();
  expect_all_readable();
  EXPECT_EQ(value(scope, Kind::head, ""), "4");
  store.reset();
  EXPECT_EQ(rows_at(data(), "keys").size(), 2u) << "one wrapped key each, and no walk";
}

TEST_F(Rotation, WithoutAnyRowsThereIsNothingToRotate) {
  open();
  const auto begun = caller(store->rotate_data_key(issuer.organization(org)));
  ASSERT_TRUE(begun);
  EXPECT_FALSE(*begun);
}

TEST_F(Rotation, ACommitDuringTheWalkIsNeverOverwritten) {
  open();
  fill();
  {
    // The walk has sealed the old values anew and is about to hand them over.
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    for (int i = 0; i < filled; ++i) {
      ASSERT_TRUE(put(scope, Kind::signal_session, std::to_string(i), "newer"));
    }
    Commit gone(scope);
    gone.erase = {Key{Kind::sent_message, "3"}};
    gone.delivered = {DeliveryKey{endpoint, session, 1}};
    ASSERT_TRUE(caller(store->commit(std::move(gone))));
  }
  store->finish_rotations();
  for (int i = 0; i < filled; ++i) {
    EXPECT_EQ(value(scope, Kind::signal_session, std::to_string(i)), "newer") << i;
  }
  EXPECT_EQ(value(scope, Kind::sent_message, "3"), std::nullopt) << "what was erased came back";
  EXPECT_EQ(caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 1000))->size(),
            static_cast<size_t>(2 * filled - 1));
}

TEST_F(Rotation, CommitsSealedUnderTheOldKeyAndQueuedBehindItAreSealedAgain) {
  open();
  fill(2);
  size_t answers = 0;
  {
    Barrier barrier("a data key is being chosen");
    bool begun = false;
    caller.start(store->rotate_data_key(issuer.organization(org)),
                 [&begun](Result<bool> result) { begun = result && *result; });
    caller.io().restart();
    caller.io().poll();
    barrier.wait_reached();
    for (int i = 0; i < 20; ++i) {
      Commit commit(scope);
      commit.put = {row(Kind::sent_message, "late" + std::to_string(i), "late")};
      commit.events = {event(session, 100 + static_cast<uint64_t>(i), "late")};
      commit.deliveries = {
          DeliveryRow{endpoint, session, 100 + static_cast<uint64_t>(i), {}, to_bytes("late")}};
      caller.start(store->commit(std::move(commit)), [&answers](Result<Committed> result) {
        EXPECT_TRUE(result);
        ++answers;
      });
    }
    caller.io().restart();
    caller.io().poll();  // sealed and in the queue
    barrier.let_go();
    ASSERT_TRUE(caller.run_until([&] { return begun && answers == 20; }));
  }
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(value(scope, Kind::sent_message, "late" + std::to_string(i)), "late");
    EXPECT_TRUE(*caller(store->event(scope, 100 + static_cast<uint64_t>(i))));
  }
  reopen();
  EXPECT_EQ(value(scope, Kind::sent_message, "late19"), "late");
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, LiveSessionsCommitAndReadAllTheWhile) {
  open();
  fill(40);
  std::map<SessionId, uint64_t> last;
  bool running = true;
  uint64_t n = 0;
  const auto rotate = [&] {
    caller.start(store->rotate_data_key(issuer.organization(org)),
                 [](Result<bool> begun) { EXPECT_TRUE(begun); });
    caller.start(store->rotate_key_encryption_key(message),
                 [&running](Result<void> done) { running = !done; });
  };
  rotate();
  while (running && n < 20000) {
    ++n;
    for (const SessionId& each : {session, other_session}) {
      const Scope mine(issuer.organization(org), each);
      ASSERT_TRUE(put(mine, Kind::head, "", std::to_string(n)));
      last[each] = n;
      ASSERT_EQ(value(mine, Kind::head, ""), std::to_string(n));
      ASSERT_EQ(value(mine, Kind::sent_message, std::to_string(n % 40)).value().substr(0, 5),
                "sent ");
    }
  }
  EXPECT_FALSE(running);
  EXPECT_GT(n, 3u);
  store->finish_rotations();
  expect_all_readable();
  reopen();
  for (const auto& [each, number] : last) {
    EXPECT_EQ(value(Scope(issuer.organization(org), each), Kind::head, ""), std::to_string(number));
  }
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, ASessionErasedDuringTheWalkStaysErased) {
  open();
  fill();
  {
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    ASSERT_TRUE(caller(store->erase_all(scope)));
  }
  store->finish_rotations();
  EXPECT_EQ(value(scope, Kind::sent_message, "1"), std::nullopt);
  store.reset();
  const std::string erased = std::string(text(session_prefix(org, session)));
  for (const auto& [key, value] : rows_at(data(), "rows")) {
    EXPECT_FALSE(key.starts_with(erased));
  }
}

TEST_F(Rotation, AnOrganizationErasedDuringItsWalkStaysErased) {
  open();
  fill();
  {
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    ASSERT_TRUE(caller(store->erase_all(scope.org_scope())));
  }
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  store.reset();
  for (const char* column : {"rows", "events", "deliveries", "keys"}) {
    for (const auto& [key, value] : rows_at(data(), column)) {
      EXPECT_FALSE(key.starts_with(std::string(text(org.bytes())))) << column;
    }
  }
}

TEST_F(Rotation, ARecordThatDoesNotOpenKeepsTheOldKeyUntilItIsGone) {
  open();
  fill();
  store.reset();
  std::string damaged;
  for (auto& [key, value] : rows_at(data(), "events")) {
    if (!key.starts_with(std::string(text(org.bytes())) + std::string(text(session.bytes())))) {
      continue;
    }
    damaged = value;
    damaged.back() ^= 1;
    overwrite_at(data(), "events", key, damaged);
    break;
  }
  open();
  rotate_data(org);
  store->finish_rotations();
  ASSERT_EQ(store->rotations().size(), 1u);
  EXPECT_EQ(store->rotations()[0].state, DataKeyRotation::State::blocked);
  EXPECT_EQ(store->rotations()[0].unreadable, 1u);
  EXPECT_EQ(log.count("store.rotation_blocked"), 1u);
  EXPECT_EQ(quarantined, std::vector<SessionId>{session});
  ASSERT_TRUE(caller(store->erase_all(scope)));
  ASSERT_TRUE(caller(store->rotate_data_key(scope.org_scope())));
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  store.reset();
  EXPECT_EQ(rows_at(data(), "keys").size(), 2u);
}

TEST_F(Rotation, AMovedPlaceOfTheWalkDropsNoKeyTooEarly) {
  open();
  fill();
  store.reset();
  // Killed right after the choice; then a vandal makes the walk look as if it were over.
  ASSERT_TRUE(child_dies("RotationCrash.DISABLED_InAChild", 3, child("data")));
  Walk walk;
  walk.phase = Walk::Phase::verify;
  walk.target = 2;
  const Rows keys = rows_at(data(), "keys");
  const std::string place = std::string(text(org.bytes())) + "w";
  ASSERT_TRUE(keys.contains(place));
  for (const std::string& forged :
       {std::string(text(encode_walk(walk))), std::string("nonsense"), std::string()}) {
    overwrite_at(data(), "keys", place, forged);
  }
  overwrite_at(data(), "keys", place, std::string(text(encode_walk(walk))));
  open();
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  expect_all_readable();
  reopen();
  expect_all_readable();
}

TEST_F(Rotation, OfTheTermWrapsEverythingAnew) {
  open();
  fill(3);
  store.reset();
  const std::string before = copy_of_store("before");
  open();
  rotate_term();
  EXPECT_EQ(store->key_term(), 2u);
  expect_all_readable();
  store.reset();
  const Rows old = rows_at(before, "keys"), now = rows_at(data(), "keys");
  const std::string disk = all_bytes(data());
  for (const auto& [key, value] : now) {
    EXPECT_EQ(read_be32(view(value)), 2u);
    EXPECT_EQ(disk.find(old.at(key)), std::string::npos)
        << "the old wrapped key is still in a file";
  }
  // Whoever kept the old keyring opens neither half keys nor wrapped keys of today.
  for (const OrgId& each : {org, other_org}) {
    std::filesystem::copy_file(data() + "/keystore/" + each.text(),
                               before + "/keystore/" + each.text(),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(stolen_keys(before, "file:" + root_file(), each), nullptr);
  }
  open();
  expect_all_readable();
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, OfTheTermIsRefusedFromAnEnvironmentThatWasWiped) {
  ::setenv("WAB_TEST_ROTATE_ROOT", std::string(64, 'b').c_str(), 1);
  RocksOptions from_env = with_root("env:WAB_TEST_ROTATE_ROOT");
  open(from_env);
  fill(1);
  EXPECT_FALSE(caller(store->rotate_key_encryption_key(message)));
  EXPECT_NE(message.find("key rotate"), std::string::npos) << message;
  store.reset();
  // The command keeps it for the purpose.
  ::setenv("WAB_TEST_ROTATE_ROOT", std::string(64, 'b').c_str(), 1);
  from_env.keep_root_key = true;
  open(from_env);
  rotate_term();
  expect_all_readable();
}

TEST_F(Rotation, AKeyringOfBeforeIsRefused) {
  open();
  fill(1);
  store.reset();
  const std::string before = copy_of_store("before");
  open();
  rotate_term();
  store.reset();
  std::filesystem::copy_file(before + "/keyring", data() + "/keyring",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  EXPECT_NE(message.find("older"), std::string::npos) << message;
}

TEST_F(Rotation, OfTheRootKeyLeavesOnlyTheNewOne) {
  open();
  fill(3);
  const Bytes before = *read_file(data() + "/keyring", 1 << 20);
  const auto done = caller(store->rotate_root_key(new_root(), message));
  ASSERT_TRUE(done) << message;
  expect_all_readable();
  rotate_term();  // with the new one, from its own source
  store.reset();
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  EXPECT_EQ(all_bytes(data()).find(text(ByteView(before).subspan(60))), std::string::npos);
  open(with_root(new_root()));
  expect_all_readable();
  const auto again = caller(store->rotate_root_key(new_root(), message));
  ASSERT_FALSE(again);
  EXPECT_NE(message.find("already"), std::string::npos) << message;
}

TEST_F(Rotation, OfTheRootKeyToAPassphraseAndBack) {
  std::ofstream(home / "phrase") << "correct horse battery staple\n";
  std::filesystem::permissions(
      home / "phrase", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  RocksOptions cheap = options();
  cheap.passphrase_cost = PassphraseCost{1, 8};
  open(cheap);
  fill(1);
  ASSERT_TRUE(caller(store->rotate_root_key("passphrase:" + (home / "phrase"), message)))
      << message;
  store.reset();
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  open(with_root("passphrase:" + (home / "phrase")));
  expect_all_readable();
  ASSERT_TRUE(caller(store->rotate_root_key(new_root(), message))) << message;
  store.reset();
  open(with_root(new_root()));
  expect_all_readable();
}

}  // namespace
}  // namespace wab::storage::tests
