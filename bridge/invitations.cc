// People: invitations, single use and expiring; of the token only a keyed hash is kept.
//
// The lookup of the deployment is written first and erased last, as with API tokens: a crash leaves
// at most a lookup that leads nowhere, or an invitation that nobody can use, until they expire.

#include <nlohmann/json.hpp>

#include "bridge/decoded.h"
#include "bridge/people.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Commit;
using storage::Key;
using storage::Kind;

namespace {

json encode(const People::Invitation& invitation, const std::string& hash) {
  return {{"v", 1},
          {"id", invitation.id.text()},
          {"email", invitation.email},
          {"role", role_word(invitation.role)},
          {"invited_by", invitation.invited_by},
          {"created_at", invitation.created_at},
          {"expires_at", invitation.expires_at},
          {"hash", hash}};
}

std::optional<People::Invitation> decode(const json& row) {
  People::Invitation out;
  const auto id = InvitationId::parse(text_at(row, "id"));
  const auto role = parse_role(text_at(row, "role"));
  if (!id || !role) return std::nullopt;
  out.id = *id;
  out.role = *role;
  out.email = text_at(row, "email");
  out.invited_by = text_at(row, "invited_by");
  out.created_at = number_at(row, "created_at");
  out.expires_at = number_at(row, "expires_at");
  return out;
}

}  // namespace

awaitable<Outcome<People::Invited>> People::make_invitation(storage::OrgScope into,
                                                            std::string email, Role role,
                                                            std::string invited_by) {
  email = folded_email(std::move(email));
  // Whether the address is a user elsewhere is nobody's business here; accepting tells its owner.
  auto known = co_await users_.by_email(email);
  if (!known) co_return refuse(known.error());
  if (*known && users_.scope_of(**known) == into) {
    co_return refuse(Code::conflict, "This e-mail address has a user.");
  }
  std::string first;
  auto pending = co_await list_invitations(into, std::move(first), kMostInvitations);
  if (!pending) co_return refuse(pending.error());
  auto present = co_await users_.count(into, std::nullopt);
  if (!present) co_return refuse(present.error());
  if (pending->invitations.size() >= kMostInvitations || *present >= kMostUsers) {
    co_return refuse(Code::limit_reached);
  }
  std::string token = make_token(TokenKind::invitation, random_);
  const std::string hash = to_hex(store_.keyed_hash(deployment_, "invitation", view(token)));
  Invitation made;
  made.id = InvitationId::random(random_);
  made.email = std::move(email);
  made.role = role;
  made.invited_by = std::move(invited_by);
  made.created_at = clock_.now_ms();
  made.expires_at = made.created_at + kInvitationLifeMs;
  const json lookup = {{"v", 1},
                       {"org", role == Role::operators ? "" : into.org().text()},
                       {"invitation", made.id.text()},
                       {"expires_at", made.expires_at}};
  Invited out{made, std::move(token), Commit(storage::Scope(deployment_)),
              Commit(storage::Scope(into))};
  out.lookup.put.push_back(json_row(Kind::invitation_lookup, hash, lookup));
  out.row.put.push_back(json_row(Kind::invitation, made.id.text(), encode(made, hash)));
  co_return std::move(out);
}

awaitable<Outcome<void>> People::store_invitation(Invited invited, std::vector<storage::Row> also) {
  auto first = co_await store_.commit(std::move(invited.lookup));
  if (!first) co_return refuse(problem_of(first.error()));
  for (auto& row : also) invited.row.put.push_back(std::move(row));
  auto second = co_await store_.commit(std::move(invited.row));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<void>> People::store_invitation_for_operator(Invited invited,
                                                               std::vector<storage::Row> answer) {
  auto first = co_await store_.commit(std::move(invited.row));
  if (!first) co_return refuse(problem_of(first.error()));
  for (auto& row : answer) invited.lookup.put.push_back(std::move(row));
  auto second = co_await store_.commit(std::move(invited.lookup));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<People::InvitationPage>> People::list_invitations(storage::OrgScope of,
                                                                    std::string after,
                                                                    size_t limit) {
  auto page = co_await store_.scan(of, Kind::invitation, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  InvitationPage out;
  out.next = page->next;
  out.invitations = decoded(page->rows, decode);
  co_return out;
}

awaitable<Outcome<void>> People::erase_invitation(storage::OrgScope of, InvitationId id) {
  const std::string name = id.text();
  auto stored = co_await load_one(store_, of, Kind::invitation, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return refuse(Code::not_found);
  Commit row{storage::Scope(of)};
  row.erase.push_back(Key{Kind::invitation, name});
  auto first = co_await store_.commit(std::move(row));
  if (!first) co_return refuse(problem_of(first.error()));
  auto lookup = users_.commit();
  lookup.erase.push_back(Key{Kind::invitation_lookup, text_at(**stored, "hash")});
  auto second = co_await store_.commit(std::move(lookup));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

// The organization of an invitation's lookup, while it exists.
awaitable<Outcome<People::Found>> People::find_invitation(std::string hash) {
  auto lookup = co_await load_one(store_, deployment_, Kind::invitation_lookup, hash);
  if (!lookup) co_return refuse(problem_of(lookup.error()));
  if (!*lookup) co_return refuse(Code::invitation_refused);
  const std::string org_text = text_at(**lookup, "org"), id = text_at(**lookup, "invitation");
  UserRecord owner;  // only to name the rows
  owner.org = OrgId::parse(org_text);
  if (!org_text.empty()) {
    if (!owner.org) co_return refuse(Code::invitation_refused);
    auto there = co_await load_one(store_, deployment_, Kind::organization, org_text);
    if (!there) co_return refuse(problem_of(there.error()));
    if (!*there) co_return refuse(Code::invitation_refused);
  }
  const auto scope = users_.scope_of(owner);
  auto stored = co_await load_one(store_, scope, Kind::invitation, id);
  if (!stored) co_return refuse(problem_of(stored.error()));
  auto invitation = *stored ? decode(**stored) : std::nullopt;
  if (!invitation || !equal_constant_time(view(text_at(**stored, "hash")), view(hash)) ||
      clock_.now_ms() >= invitation->expires_at ||
      (invitation->role == Role::operators) != org_text.empty()) {
    co_return refuse(Code::invitation_refused);
  }
  Found out{std::move(*invitation), scope};
  co_return std::move(out);
}

awaitable<Outcome<UserRecord>> People::accept_invitation(std::string token, std::string password) {
  if (check_token(token) != TokenKind::invitation) co_return refuse(Code::invitation_refused);
  const std::string hash = to_hex(store_.keyed_hash(deployment_, "invitation", view(token)));
  auto found = co_await find_invitation(hash);
  if (!found) co_return refuse(found.error());
  auto good = judge_password(password, found->invitation.email);
  if (!good) co_return refuse(good.error());
  auto hashed = co_await passwords_.hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());

  const auto turn = co_await users_.turn();
  // Once more, now that nobody else can: of two that accept, one is first.
  found = co_await find_invitation(hash);
  if (!found) co_return refuse(found.error());
  const auto& invitation = found->invitation;
  auto taken = co_await users_.by_email(invitation.email);
  if (!taken) co_return refuse(taken.error());
  if (*taken) co_return refuse(Code::conflict, "This e-mail address has a user.");
  UserRecord user;
  user.id = UserId::random(random_);
  user.email = invitation.email;
  user.role = invitation.role;
  if (user.role != Role::operators) user.org = found->scope.org();
  user.password = std::move(*hashed);
  user.created_at = clock_.now_ms();
  auto commit = users_.commit();
  commit.erase.push_back(Key{Kind::invitation_lookup, hash});
  auto added = co_await users_.add(user, std::move(commit));
  if (!added) co_return refuse(added.error());
  Commit row{storage::Scope(found->scope)};
  row.erase.push_back(Key{Kind::invitation, invitation.id.text()});
  auto gone = co_await store_.commit(std::move(row));
  if (!gone) co_return refuse(problem_of(gone.error()));
  co_return std::move(user);
}

// Rows and lookups are judged each by their own time, so that neither order nor a crash matters.
awaitable<Outcome<size_t>> People::sweep_invitations(storage::OrgScope of, size_t most) {
  Commit gone{storage::Scope(of)};
  std::string after;
  do {
    auto page = co_await store_.scan(of, Kind::invitation, std::move(after), 200);
    if (!page) co_return refuse(problem_of(page.error()));
    for (auto& row : page->rows) {
      const auto stored = parse_stored(row.value);
      if (gone.erase.size() >= most || !stored) continue;
      if (clock_.now_ms() >= number_at(*stored, "expires_at")) {
        gone.erase.push_back(std::move(row.key));
      }
    }
    after = page->next;
  } while (!after.empty());
  const size_t count = gone.erase.size();
  if (count == 0) co_return count;
  auto written = co_await store_.commit(std::move(gone));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return count;
}

awaitable<Outcome<size_t>> People::sweep_links(size_t most) {
  auto gone = users_.commit();
  for (const auto kind : {Kind::invitation_lookup, Kind::password_reset}) {
    std::string after;
    do {
      auto page = co_await store_.scan(deployment_, kind, std::move(after), 200);
      if (!page) co_return refuse(problem_of(page.error()));
      for (auto& row : page->rows) {
        const auto stored = parse_stored(row.value);
        if (gone.erase.size() >= most || !stored) continue;
        auto until = number_at(*stored, "expires_at");
        if (until == 0 && kind == Kind::invitation_lookup) {
          // Of a version that did not write the time here: its invitation tells.
          auto found = co_await find_invitation(row.key.name);
          if (!found && found.error().code != Code::invitation_refused) {
            co_return refuse(found.error());
          }
          if (found) until = found->invitation.expires_at;
        }
        if (clock_.now_ms() >= until) gone.erase.push_back(std::move(row.key));
      }
      after = page->next;
    } while (!after.empty());
  }
  const size_t count = gone.erase.size();
  if (count == 0) co_return count;
  auto written = co_await store_.commit(std::move(gone));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return count;
}

}  // namespace wab::bridge
