// Who may touch which rows.
//
// A storage call cannot be written without a Scope, and a Scope cannot be made by hand: it comes
// from the ScopeIssuer, which the bridge owns and lends to exactly two places, authentication (an
// organization proven by a token or a login) and the session manager (the owner of a session). An
// issuer in turn comes from an open store alone (RocksStore::issuer): whoever sees only the Store
// interface cannot make one. tests/storage/compile_fail_test.cc shows that nothing else builds.
#pragma once

#include "storage/base/ids.h"

namespace wab::storage {

class ScopeIssuer;

// One organization's rows. The nil organization holds the deployment's own rows (operators, the
// list of organizations, token lookups) and is issued by `deployment()` only.
class OrgScope {
 public:
  const OrgId& org() const { return org_; }
  bool operator==(const OrgScope&) const = default;

 private:
  friend class ScopeIssuer;
  explicit OrgScope(OrgId org) : org_(org) {}
  OrgId org_;
};

// One session's rows inside an organization; rows of the organization itself carry the nil session.
class Scope {
 public:
  Scope(OrgScope org) : org_(org) {}  // NOLINT: an organization's own rows
  Scope(OrgScope org, SessionId session) : org_(org), session_(session) {}
  const OrgId& org() const { return org_.org(); }
  const OrgScope& org_scope() const { return org_; }
  const SessionId& session() const { return session_; }

 private:
  OrgScope org_;
  SessionId session_;
};

class ScopeIssuer {
 public:
  // Held by implementations of Store.
  class Opener {
    friend class Store;
    Opener() = default;
  };
  explicit ScopeIssuer(const Opener&) {}
  ScopeIssuer(const ScopeIssuer&) = delete;
  OrgScope organization(OrgId proven) const { return OrgScope(proven); }
  OrgScope deployment() const { return OrgScope(OrgId()); }
};

}  // namespace wab::storage
