// What does not compile: a scope made by hand.
#include "storage/scope.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "storage/store.h"
#include "tests/support/fake_store.h"

namespace wab::storage {
namespace {

static_assert(!std::is_default_constructible_v<OrgScope>);
static_assert(!std::is_constructible_v<OrgScope, OrgId>);
static_assert(!std::is_constructible_v<OrgScope, ByteArray<16>>);
static_assert(!std::is_constructible_v<OrgScope, const char*>);
static_assert(!std::is_aggregate_v<OrgScope>);
static_assert(!std::is_default_constructible_v<Scope>);
static_assert(!std::is_constructible_v<Scope, OrgId>);
static_assert(!std::is_constructible_v<Scope, OrgId, SessionId>);
static_assert(!std::is_constructible_v<Scope, SessionId>);
static_assert(!std::is_aggregate_v<Scope>);
static_assert(!std::is_constructible_v<Commit, OrgId>);
static_assert(!std::is_default_constructible_v<Commit>);
static_assert(!std::is_copy_constructible_v<ScopeIssuer>);
static_assert(!std::is_default_constructible_v<ScopeIssuer>);
static_assert(!std::is_default_constructible_v<ScopeIssuer::Opener>);
static_assert(!std::is_aggregate_v<ScopeIssuer::Opener>);
// No call of the store takes an organization that was not proven.
template <class S>
concept LoadsBareOrganization = requires(S& store, OrgId org) {
  store.load(org, {});
};
template <class S>
concept ReadsBareOrganization = requires(S& store, OrgId org) {
  store.events_after(org, 0, 1);
};
static_assert(!LoadsBareOrganization<Store> && !ReadsBareOrganization<Store>);
static_assert(requires(Store & store, OrgScope org) { store.events_after(org, 0, 1); });

TEST(Scope, ComesFromTheIssuerAlone) {
  const ScopeIssuer issuer = wab::test::any_issuer();
  const OrgId org(ByteArray<16>{1});
  EXPECT_EQ(issuer.organization(org).org(), org);
  EXPECT_TRUE(issuer.deployment().org().is_nil());
  EXPECT_TRUE(Scope(issuer.organization(org)).session().is_nil());
}

}  // namespace
}  // namespace wab::storage
