// An older version of a single record, put back where it was, and its relatives.
#include "storage/session_proof.h"
#include "tests/storage/rotation_fixture.h"
#include "tests/support/table.h"

namespace wab::storage::tests {
namespace {

constexpr Kind kCovered[] = {Kind::identity,       Kind::head,        Kind::signal_session,
                             Kind::prekey,         Kind::sender_key,  Kind::peer_identity,
                             Kind::sender_key_map, Kind::device_list, Kind::lid_map,
                             Kind::group};

class Rollback : public Rotation {
 protected:
  std::string proof_key(const SessionId& of) {
    return std::string(text(SessionProof::row_key(org, of)));
  }
  // The raw rows of one session.
  Rows session_rows(const SessionId& of) {
    Rows out;
    const std::string prefix(text(session_prefix(org, of)));
    for (auto& [key, value] : rows_at(data(), "rows")) {
      if (key.starts_with(prefix)) out.emplace(key, value);
    }
    return out;
  }
  // The one key of `kind`, of a session that has one row of each.
  std::string key_of(Kind kind, const SessionId& of) {
    for (const auto& [key, value] : session_rows(of)) {
      if (key[32] == static_cast<char>(kind)) return key;
    }
    ADD_FAILURE() << "no row of this kind";
    return "";
  }
  void write_all(std::string_view value) {
    for (const SessionId& each : {session, other_session}) {
      Commit commit(Scope(issuer.organization(org), each));
      for (const Kind kind : kCovered) commit.put.push_back(row(kind, "n", value));
      ASSERT_TRUE(caller(store->commit(std::move(commit))));
    }
  }
  void erase_raw(const std::string& key) {
    raw(data(), "rows", [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      ASSERT_TRUE(db.Delete({}, family, key).ok());
    });
  }
  // Reading that kind is refused, the session is in quarantine with a clear word, others go on.
  bool refused(Kind kind) {
    open();
    const auto read = caller(store->load(scope, {Key{kind, "n"}}));
    const auto after = caller(store->load(scope, {Key{Kind::identity, "n"}}));
    const auto commit = put(scope, Kind::head, "n", "x");
    const Scope neighbour(issuer.organization(org), other_session);
    const bool others = value(neighbour, kind, "n").has_value();
    const bool alone = quarantined == std::vector<SessionId>{session};
    quarantined.clear();
    const bool told = log.all().find("rolled back") != std::string::npos;
    store.reset();
    return !read && read.error().is(StoreError::unsealed) && !after &&
           after.error().is(StoreError::quarantined) && !commit && others && told && alone;
  }
  // Nothing is refused anywhere in this session.
  void expect_sound(const SessionId& of) {
    const Scope mine(issuer.organization(org), of);
    for (const Kind kind : kCovered) {
      const auto page = caller(store->scan(mine, kind, "", 1000));
      EXPECT_TRUE(page) << static_cast<int>(kind);
    }
    EXPECT_TRUE(quarantined.empty());
  }
};

TEST_F(Rollback, OfOneRecordOfEachKindIsNoticed) {
  wab::test::Table table("rolled back records");
  open();
  write_all("old");
  store.reset();
  const Rows old = session_rows(session);
  open();
  write_all("new");
  store.reset();
  for (const Kind kind : kCovered) {
    const std::string key = key_of(kind, session);
    const std::string now = session_rows(session).at(key);
    const std::string name = "kind " + std::to_string(static_cast<int>(kind));
    ASSERT_NE(old.at(key), now);
    overwrite_at(data(), "rows", key, old.at(key));
    table.row(refused(kind), name + ": an older version");
    erase_raw(key);
    table.row(refused(kind), name + ": removed");
    overwrite_at(data(), "rows", key, now);
  }
  open();
  EXPECT_EQ(value(scope, Kind::head, "n"), "new") << "as it was, it is good again";
  expect_sound(session);
}

TEST_F(Rollback, OfTheProofAloneIsNoticed) {
  open();
  write_all("old");
  store.reset();
  const std::string old = session_rows(session).at(proof_key(session));
  open();
  write_all("new");
  store.reset();
  const std::string now = session_rows(session).at(proof_key(session));
  overwrite_at(data(), "rows", proof_key(session), old);
  EXPECT_TRUE(refused(Kind::signal_session));
  erase_raw(proof_key(session));
  EXPECT_TRUE(refused(Kind::signal_session));
  overwrite_at(data(), "rows", proof_key(session), now);
  open();
  expect_sound(session);
}

TEST_F(Rollback, AnErasedRecordThatComesBackIsNoticed) {
  open();
  write_all("used");
  store.reset();
  const std::string key = key_of(Kind::prekey, session), old = session_rows(session).at(key);
  open();
  Commit used(scope);
  used.erase = {Key{Kind::prekey, "n"}};
  ASSERT_TRUE(caller(store->commit(std::move(used))));
  store.reset();
  overwrite_at(data(), "rows", key, old);
  EXPECT_TRUE(refused(Kind::prekey)) << "a prekey would be used twice";
}

TEST_F(Rollback, AScanNoticesItToo) {
  open();
  write_all("old");
  store.reset();
  const std::string key = key_of(Kind::sender_key, session), old = session_rows(session).at(key);
  open();
  write_all("new");
  store.reset();
  overwrite_at(data(), "rows", key, old);
  open();
  const auto page = caller(store->scan(scope, Kind::sender_key, "", 10));
  ASSERT_FALSE(page);
  EXPECT_TRUE(page.error().is(StoreError::unsealed));
  EXPECT_EQ(quarantined, std::vector<SessionId>{session});
}

TEST_F(Rollback, AWriteOverItDoesNotHealIt) {
  open();
  write_all("old");
  store.reset();
  const std::string key = key_of(Kind::signal_session, session);
  const std::string old = session_rows(session).at(key);
  open();
  write_all("new");
  store.reset();
  overwrite_at(data(), "rows", key, old);
  open();
  EXPECT_TRUE(put(scope, Kind::signal_session, "n", "written blindly"));
  store.reset();
  EXPECT_TRUE(refused(Kind::signal_session));
}

// Puts, erasures, the same key twice, many commits in one write, erased sessions, rotations,
// restarts: never a false alarm.
TEST_F(Rollback, HonestWorkIsNeverSuspected) {
  SeededRandom random(7);
  const auto pick = [&random](size_t below) {
    return read_be32(random.array<4>()) % static_cast<uint32_t>(below);
  };
  open();
  size_t commits = 0;
  for (int round = 0; round < 6; ++round) {
    size_t waiting = 0;
    for (int i = 0; i < 60; ++i) {
      const SessionId& of = pick(2) == 0 ? session : other_session;
      Commit commit(Scope(issuer.organization(org), of));
      for (uint32_t n = pick(5); n > 0; --n) {
        const Key key{kCovered[pick(std::size(kCovered))], std::to_string(pick(4))};
        if (pick(3) == 0) commit.erase.push_back(key);
        commit.put.push_back(Row{key, to_bytes(std::to_string(commits))});
        if (pick(3) == 0) commit.put.push_back(Row{key, to_bytes("again")});
      }
      ++waiting;
      ++commits;
      caller.start(store->commit(std::move(commit)), [&waiting](Result<Committed> done) {
        EXPECT_TRUE(done);
        --waiting;
      });
    }
    ASSERT_TRUE(caller.run_until([&waiting] { return waiting == 0; }));
    if (round == 2) {
      ASSERT_TRUE(caller(store->erase_all(scope)));
      ASSERT_TRUE(put(scope, Kind::head, "", "reborn"));
    }
    if (round == 3) rotate_data(org);
    if (round % 2 == 1) {
      store->finish_rotations();
      reopen();
    }
    expect_sound(session);
    expect_sound(other_session);
  }
  reopen();
  expect_sound(session);
  expect_sound(other_session);
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

// A keyring of before there were proofs, and rows without them.
TEST_F(Rollback, AStoreWithoutProofsGetsThemOnce) {
  open();
  fill(4);
  store.reset();
  for (const Scope& each : scopes()) {
    erase_raw(std::string(text(SessionProof::row_key(each.org(), each.session()))));
  }
  const Bytes file = *read_file(data() + "/keyring", 1 << 20);
  const auto root = read_root_key(*parse_root_key_source("file:" + root_file(), message),
                                  std::chrono::seconds(1), message);
  ASSERT_TRUE(root);
  SealContext context;
  const ByteView header = ByteView(file).first(57);
  context.deployment = *to_array<16>(header.subspan(33, 16));
  context.column = 0xf0;
  context.key = header;
  auto body = storage::open(root->reveal(), context, ByteView(file).subspan(57));
  ASSERT_TRUE(body);
  body->header.schema = 1;
  const auto earlier =
      seal(root->reveal(), context, body->header, system_random().array<24>(), body->plaintext);
  std::ofstream(data() + "/keyring", std::ios::binary) << text(concat({header, *earlier}));

  open();
  expect_all_readable();
  EXPECT_EQ(log.count("store.sessions_proven"), 1u);
  reopen();
  expect_all_readable();
  EXPECT_EQ(log.count("store.sessions_proven"), 1u);
  EXPECT_TRUE(put(scope, Kind::head, "", "goes on"));
  store.reset();
  // From now on a missing proof is what it looks like.
  erase_raw(std::string(text(SessionProof::row_key(org, session))));
  open();
  EXPECT_FALSE(caller(store->load(scope, {Key{Kind::signal_session, "1"}})));
  EXPECT_EQ(quarantined, std::vector<SessionId>{session});
}

}  // namespace
}  // namespace wab::storage::tests
