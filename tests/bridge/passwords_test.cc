// Which passwords are taken (ASVS 5.0 section 6.2), and the list of those that are not.
#include "bridge/passwords.h"

#include "bridge/password_list.h"
#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

TEST(PasswordRules, EachHolds) {
  wab::test::Table table("password rules");
  struct Row {
    std::string password;
    const char* email;
    bool good;
    const char* rule;
  };
  const Row rows[] = {
      {"three green kettles", "ana@example.org", true, "words"},
      {"aaaa bbbb cc", "ana@example.org", true, "12 characters"},
      {"aaaa bbbb c", "ana@example.org", false, "11 characters"},
      {"\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6", "ana@example.org",
       false, "characters are counted, not bytes"},
      {"\u0645\u0631\u062d\u0628\u0627 \u064a\u0627 \u0635\u062f\u064a\u0642", "ana@example.org",
       true, "any script"},
      {std::string(64, 'a') + "b", "ana@example.org", true, "65 characters"},
      {std::string(255, 'k') + "z", "ana@example.org", true, "256 characters"},
      {std::string(257, 'k'), "ana@example.org", false, "257 characters"},
      {"zmwkqpxnvbyt", "ana@example.org", true, "no digits or signs are asked for"},
      {"qwertyqwerty", "ana@example.org", false, "well-known"},
      {"QwertyQwerty", "ana@example.org", false, "well-known in capitals"},
      {"1qaz2wsx3edc", "ana@example.org", false, "well-known keys"},
      {"leavemealone", "ana@example.org", false, "well-known words"},
      {"my waslo password", "ana@example.org", false, "the product's name"},
      {"WhatsApp is fun", "ana@example.org", false, "what it bridges to"},
      {"hello katharina!", "Katharina@example.org", false, "the user's name"},
      {"hello katharina!", "ana@example.org", true, "another's name"},
      {"banana republic", "ana@example.org", true, "names of 3 letters are in too many words"}};
  for (const auto& row : rows) {
    const auto judged = judge_password(row.password, row.email);
    table.row(judged.has_value() == row.good, row.rule);
    EXPECT_TRUE(judged || judged.error().code == Code::weak_password);
  }
}

TEST(PasswordRules, EveryCharacterCounts) {
  PeopleBench bench;
  Passwords passwords(bench.password);
  const std::string longest(256, 'k');
  auto hash = bench.wait(passwords.hash(longest));
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(bench.wait(passwords.verify(*hash, longest))->same);
  EXPECT_FALSE(bench.wait(passwords.verify(*hash, longest.substr(1)))->same);
  EXPECT_FALSE(bench.wait(passwords.verify(*hash, longest + " "))->same);
  EXPECT_FALSE(bench.wait(passwords.verify("", ""))->same);
}

TEST(PasswordList, HoldsManyAndOnlyThose) {
  EXPECT_GT(common_passwords(), 40'000u);
  EXPECT_TRUE(is_common_password("123456654321"));
  EXPECT_TRUE(is_common_password("leavemealone"));
  SeededRandom random;
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) taken += is_common_password(to_hex(random.array<12>()));
  EXPECT_LE(taken, 10);
}

}  // namespace
}  // namespace wab::bridge::test
