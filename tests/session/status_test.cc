#include "session/status.h"

#include <gtest/gtest.h>

#include <set>

namespace wab::session {
namespace {

constexpr Status kAll[] = {Status::stopped,
                           Status::starting,
                           Status::scan_qr_code,
                           Status::passkey_required,
                           Status::passkey_confirmation_required,
                           Status::working,
                           Status::degraded,
                           Status::failed};

Status after(Status from, Cause cause) {
  const auto change = move(from, cause);
  return change ? change->status : from;
}

TEST(Status, WordsAreThoseOfTheContract) {
  const char* const words[] = {
      "STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED",
      "WORKING", "DEGRADED", "FAILED"};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(status_word(kAll[i]), words[i]);
    EXPECT_EQ(parse_status(words[i]), kAll[i]);
  }
  EXPECT_FALSE(parse_status("working"));
}

TEST(Status, StopRestartAndLogoutEndInOnePlaceFromEverywhere) {
  for (const Status from : kAll) {
    EXPECT_EQ(after(from, Cause::stop_requested), Status::stopped);
    EXPECT_EQ(after(from, Cause::logout_requested), Status::stopped);
    EXPECT_EQ(after(from, Cause::restart_requested), Status::starting);
  }
}

TEST(Status, StartOfARunningSessionChangesNothing) {
  EXPECT_EQ(after(Status::stopped, Cause::start_requested), Status::starting);
  EXPECT_EQ(after(Status::failed, Cause::start_requested), Status::starting);
  for (const Status from : {Status::starting, Status::scan_qr_code, Status::working,
                            Status::degraded, Status::passkey_required}) {
    EXPECT_FALSE(move(from, Cause::start_requested));
  }
}

TEST(Status, PairingByQrEndsWorking) {
  Status s = Status::stopped;
  for (const auto& [cause, next] : std::initializer_list<std::pair<Cause, Status>>{
           {Cause::start_requested, Status::starting},
           {Cause::qr_offered, Status::scan_qr_code},
           {Cause::pairing_code_issued, Status::scan_qr_code},
           {Cause::passkey_requested, Status::passkey_required},
           {Cause::passkey_code_shown, Status::passkey_confirmation_required},
           {Cause::paired, Status::starting},
           {Cause::opened, Status::working},
           {Cause::connection_lost, Status::degraded},
           {Cause::opened, Status::working},
           {Cause::held_back, Status::degraded},
           {Cause::released, Status::working},
           {Cause::ended, Status::failed}}) {
    s = after(s, cause);
    EXPECT_EQ(s, next) << static_cast<int>(cause);
  }
}

TEST(Status, AFullOutboxIsToldFromTheFirstMomentOfALogin) {
  EXPECT_EQ(after(Status::starting, Cause::held_back), Status::degraded);
  EXPECT_EQ(after(Status::degraded, Cause::held_back), Status::degraded);
}

TEST(Status, LateSignalsDoNotWakeAStoppedOrFailedSession) {
  for (const Status from : {Status::stopped, Status::failed}) {
    for (int c = 0; c <= static_cast<int>(Cause::quarantined); ++c) {
      const auto cause = static_cast<Cause>(c);
      if (cause == Cause::start_requested || cause == Cause::restart_requested ||
          cause == Cause::stop_requested || cause == Cause::logout_requested ||
          cause == Cause::process_restarted || cause == Cause::quarantined) {
        continue;
      }
      EXPECT_FALSE(move(from, cause)) << c;
    }
  }
  EXPECT_FALSE(move(Status::failed, Cause::process_restarted));
}

TEST(Status, EveryCauseHasARowAndEveryRowHasWords) {
  std::set<Cause> seen;
  for (const Move& row : all_moves()) {
    seen.insert(row.cause);
    EXPECT_NE(row.from, 0);
    EXPECT_FALSE(row.code.empty());
    EXPECT_EQ(row.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    EXPECT_TRUE(row.message.ends_with('.')) << row.code;
    // Whoever must act is told how.
    if (row.to == Status::failed || row.to == Status::degraded || row.to == Status::scan_qr_code) {
      EXPECT_FALSE(row.next.empty()) << row.code;
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(Cause::quarantined) + 1);
}

TEST(Status, OtherWordsReplaceThoseOfTheTable) {
  const Reason reason{"client_outdated", "m", "n"};
  const auto change = move(Status::working, Cause::ended, &reason);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->status, Status::failed);
  EXPECT_EQ(change->reason, reason);
}

}  // namespace
}  // namespace wab::session
