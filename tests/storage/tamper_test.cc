// Every byte of every field of every kind of record changed, and every record put in the place of
// every other kind: all refused, and the process goes on.
#include <rocksdb/write_batch.h>

#include "storage/session_proof.h"
#include "tests/storage/key_fixture.h"
#include "tests/support/table.h"

namespace wab::storage::tests {
namespace {

constexpr Kind kSessionKinds[] = {Kind::identity,       Kind::head,         Kind::signal_session,
                                  Kind::prekey,         Kind::sender_key,   Kind::peer_identity,
                                  Kind::sender_key_map, Kind::device_list,  Kind::lid_map,
                                  Kind::group,          Kind::sent_message, Kind::message,
                                  Kind::stanza_index,   Kind::retry_count,  Kind::undecryptable,
                                  Kind::outgoing,       Kind::base_key};

// One kind of record: a row of a session, or one of the other columns.
struct What {
  enum class Form { row, org_row, event, delivery, mark, proof };
  Form form;
  Kind kind = Kind::head;
  std::string name() const {
    switch (form) {
      case Form::row:
        return "row " + std::to_string(static_cast<int>(kind));
      case Form::org_row:
        return "row of the organization";
      case Form::event:
        return "event";
      case Form::delivery:
        return "delivery";
      case Form::mark:
        return "mark";
      case Form::proof:
        return "proof";
    }
    return "";
  }
};

class Tamper : public KeyStoreTest {
 protected:
  using Form = What::Form;
  static const char* column_of(const What& what) {
    switch (what.form) {
      case Form::event:
        return "events";
      case Form::delivery:
        return "deliveries";
      case Form::mark:
        return "marks";
      default:
        return "rows";
    }
  }
  std::vector<What> everything() {
    std::vector<What> out;
    for (const Kind kind : kSessionKinds) out.push_back({Form::row, kind});
    out.push_back({Form::org_row, Kind::endpoint});
    for (const Form form : {Form::event, Form::delivery, Form::mark, Form::proof}) {
      out.push_back({form, Kind::head});
    }
    return out;
  }
  // A session that has one record of each of these; the organization's row bears its name.
  struct Victim {
    SessionId session;
    Scope scope;
  };
  Victim victim(const std::vector<What>& has) {
    const SessionId of = SessionId::random(system_random());
    Victim out{of, Scope(issuer.organization(org), of)};
    Commit commit(out.scope);
    for (const What& what : has) {
      if (what.form == Form::row) commit.put.push_back(row(what.kind, "n", "value"));
      if (what.form == Form::org_row) commit.put_org = {row(what.kind, of.text(), "value")};
      if (what.form == Form::event) commit.events = {event(of, 1, "body")};
      if (what.form == Form::mark) commit.marks = {Mark{"m", 10}};
      if (what.form == Form::delivery) {
        commit.deliveries = {DeliveryRow{endpoint, of, 1, {}, to_bytes("due")}};
      }
      if (what.form == Form::proof) commit.put.push_back(row(Kind::group, "of the proof", "v"));
    }
    ++waiting;
    caller.start(store->commit(std::move(commit)), [this](Result<Committed> done) {
      EXPECT_TRUE(done);
      --waiting;
    });
    if (waiting >= 64) settle();
    return out;
  }
  void settle() {
    ASSERT_TRUE(caller.run_until([this] { return waiting == 0; }));
  }
  std::string key_of(const Victim& of, const What& what) {
    switch (what.form) {
      case Form::row:
        return std::string(text(row_key(*keys, of.scope, {what.kind, "n"})));
      case Form::org_row:
        return std::string(
            text(row_key(*keys, Scope(of.scope.org_scope()), {what.kind, of.session.text()})));
      case Form::event:
        return std::string(text(event_key(org, of.session, 1)));
      case Form::delivery:
        return std::string(text(delivery_key(org, DeliveryKey{endpoint, of.session, 1})));
      case Form::mark:
        return std::string(text(mark_key(*keys, of.scope, "m")));
      case Form::proof:
        return std::string(text(SessionProof::row_key(org, of.session)));
    }
    return "";
  }
  // The store closes; `change` gets every column and says what is to be written.
  struct Write {
    const char* column;
    std::string key, value;
  };
  void change(const std::function<std::vector<Write>(std::map<std::string, Rows>&)>& work) {
    settle();
    store.reset();
    keys = stolen_keys(data(), "file:" + root_file(), org);
    ASSERT_NE(keys, nullptr);
    std::map<std::string, Rows> all;
    for (const char* column : {"rows", "events", "deliveries", "marks"}) {
      all[column] = rows_at(data(), column);
    }
    const auto writes = work(all);
    for (const char* column : {"rows", "events", "deliveries", "marks"}) {
      raw(data(), column, [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
        rocksdb::WriteBatch batch;
        for (const Write& each : writes) {
          if (std::string_view(each.column) == column) batch.Put(family, each.key, each.value);
        }
        ASSERT_TRUE(db.Write({}, &batch).ok());
      });
    }
    open();
    delivered.clear();
    std::optional<DeliveryKey> after;
    for (;;) {
      const auto page = caller(store->deliveries(scope.org_scope(), endpoint, after, 1000));
      ASSERT_TRUE(page);
      if (page->empty()) break;
      for (const DeliveryRow& each : *page) delivered.insert(each.session);
      after = DeliveryKey{endpoint, page->back().session, page->back().seq};
    }
  }
  bool refused(const Victim& of, const What& what) {
    const auto closed = [](const auto& result) {
      return !result && (result.error().is(StoreError::unsealed) ||
                         result.error().is(StoreError::quarantined));
    };
    switch (what.form) {
      case Form::row:
        return closed(caller(store->load(of.scope, {Key{what.kind, "n"}})));
      case Form::org_row:
        return closed(
            caller(store->load(of.scope.org_scope(), {Key{what.kind, of.session.text()}})));
      case Form::event:
        return closed(caller(store->event(of.scope, 1)));
      case Form::delivery:
        return !delivered.contains(of.session);
      case Form::mark:
        return closed(caller(store->marked(of.scope, {"m"}, 0)));
      case Form::proof:
        return closed(caller(store->load(of.scope, {Key{Kind::group, "of the proof"}})));
    }
    return false;
  }
  void expect_alive(const Victim& control) {
    for (const What& what : everything()) EXPECT_FALSE(refused(control, what)) << what.name();
  }

  std::shared_ptr<const OrgKeys> keys;
  std::set<SessionId> delivered;
  size_t waiting = 0;
};

TEST_F(Tamper, EveryByteOfEveryFieldIsCovered) {
  wab::test::Table table("flipped bytes of records");
  const std::vector<What> kinds = {{Form::row, Kind::signal_session}, {Form::row, Kind::message},
                                   {Form::org_row, Kind::endpoint},   {Form::event, Kind::head},
                                   {Form::delivery, Kind::head},      {Form::mark, Kind::head},
                                   {Form::proof, Kind::head}};
  // Sizes are known from the layout: 88 and the bucket, an event's place before it, a mark's MAC.
  const auto size_of = [](const What& what) -> size_t {
    if (what.form == Form::event) return 24 + 88 + 64;
    return what.form == Form::mark ? 24 : 88 + 64;
  };
  open();
  const Victim control = victim(everything());
  std::vector<std::vector<Victim>> victims;
  for (const What& what : kinds) {
    auto& of = victims.emplace_back();
    for (size_t at = 0; at < size_of(what); ++at) of.push_back(victim({what}));
  }
  change([&](std::map<std::string, Rows>& all) {
    std::vector<Write> writes;
    for (size_t k = 0; k < kinds.size(); ++k) {
      for (size_t at = 0; at < victims[k].size(); ++at) {
        const std::string key = key_of(victims[k][at], kinds[k]);
        std::string value = all[column_of(kinds[k])].at(key);
        EXPECT_EQ(value.size(), size_of(kinds[k])) << kinds[k].name();
        value[at] = static_cast<char>(value[at] ^ (1 << (at % 8)));
        writes.push_back({column_of(kinds[k]), key, value});
      }
    }
    return writes;
  });
  for (size_t k = 0; k < kinds.size(); ++k) {
    for (size_t at = 0; at < victims[k].size(); ++at) {
      table.row(refused(victims[k][at], kinds[k]), kinds[k].name() + " byte " + std::to_string(at));
    }
  }
  expect_alive(control);
  EXPECT_GT(table.rows(), 800u);
}

TEST_F(Tamper, NoRecordOpensInThePlaceOfAnother) {
  wab::test::Table table("swapped records");
  open();
  const std::vector<What> kinds = everything();
  const Victim control = victim(kinds), stranger = victim(kinds);
  struct Swap {
    Victim of;
    size_t place, from;  // place == from: the same kind, of a stranger
  };
  std::vector<Swap> swaps;
  for (size_t place = 0; place < kinds.size(); ++place) {
    for (size_t from = 0; from < kinds.size(); ++from) {
      std::vector<What> has = {kinds[place]};
      if (from != place) has.push_back(kinds[from]);
      swaps.push_back({victim(has), place, from});
    }
  }
  change([&](std::map<std::string, Rows>& all) {
    std::vector<Write> writes;
    for (const Swap& swap : swaps) {
      const What &place = kinds[swap.place], &from = kinds[swap.from];
      const Victim& giver = swap.place == swap.from ? stranger : swap.of;
      writes.push_back(
          {column_of(place), key_of(swap.of, place), all[column_of(from)].at(key_of(giver, from))});
    }
    return writes;
  });
  for (const Swap& swap : swaps) {
    table.row(refused(swap.of, kinds[swap.place]),
              kinds[swap.from].name() + " in the place of " + kinds[swap.place].name());
  }
  expect_alive(control);
  expect_alive(stranger);
  EXPECT_EQ(table.rows(), kinds.size() * kinds.size());
}

// What the keys themselves stand in: wrapped data keys and the files of half keys.
TEST_F(Tamper, EveryByteOfWrappedAndHalfKeysIsCovered) {
  wab::test::Table table("flipped bytes of keys");
  open();
  constexpr size_t kWrapped = 44, kHalf = 152;
  std::vector<OrgId> organizations;
  for (size_t i = 0; i < kWrapped + kHalf; ++i) {
    organizations.push_back(OrgId::random(system_random()));
    ASSERT_TRUE(put(issuer.organization(organizations.back()), Kind::endpoint, "n", "value"));
  }
  const Victim control = victim(everything());
  settle();
  store.reset();
  const Rows wrapped = rows_at(data(), "keys");
  raw(data(), "keys", [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
    for (size_t at = 0; at < kWrapped; ++at) {
      const std::string key(text(wrapped_key_key(organizations[at], 1)));
      std::string value = wrapped.at(key);
      ASSERT_EQ(value.size(), kWrapped);
      value[at] = static_cast<char>(value[at] ^ 0x10);
      ASSERT_TRUE(db.Put({}, family, key, value).ok());
    }
  });
  for (size_t at = 0; at < kHalf; ++at) {
    const std::string path = data() + "/keystore/" + organizations[kWrapped + at].text();
    Bytes file = *read_file(path, 4096);
    ASSERT_EQ(file.size(), kHalf);
    file[at] ^= 0x10;
    std::ofstream(path, std::ios::binary) << text(file);
  }
  open();
  for (size_t i = 0; i < organizations.size(); ++i) {
    const Scope of(issuer.organization(organizations[i]));
    const auto read = caller(store->load(of, {Key{Kind::endpoint, "n"}}));
    const auto write = put(of, Kind::endpoint, "n", "other");
    table.row(!read && read.error().is(StoreError::unsealed) && !write,
              (i < kWrapped ? "wrapped key byte " : "half key byte ") +
                  std::to_string(i < kWrapped ? i : i - kWrapped));
  }
  EXPECT_TRUE(caller(store->event(control.scope, 1)));
}

}  // namespace
}  // namespace wab::storage::tests
