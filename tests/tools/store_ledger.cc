// What `decant verify` finds, and each committed span with its content digest, as one line of JSON. Unlike the program
// it starts in no time, so that tests can look into a store hundreds of times.
//
//   store_ledger STORE    exit code 3 when there is no store

#include <string>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/store/store_reader.h"
#include "decant/store/verify.h"

namespace decant {
namespace {

nlohmann::json Describe(const std::string& path) {
  const VerifyReport report = VerifyStore(path, 1);
  nlohmann::json result = {{"spans", report.num_spans},
                           {"sound", report.sound()},
                           {"complete", report.complete()},
                           {"committed", report.num_committed},
                           {"digest", report.digest.value_or("")},
                           {"damages", nlohmann::json::array()},
                           {"ledger", nlohmann::json::object()}};
  for (const Damage& damage : report.damages) result["damages"].push_back(damage.where + ": " + damage.what);
  if (!report.sound()) return result;
  const StoreReader reader(path);
  for (const auto& trailer : reader.ledger()) {
    if (trailer) result["ledger"][std::to_string(trailer->span)] = Hex(trailer->content_digest);
  }
  return result;
}

}  // namespace
}  // namespace decant

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "store_ledger STORE\n");
    return 2;
  }
  try {
    fmt::print("{}\n", decant::Describe(argv[1]).dump());
  } catch (const decant::Error& error) {
    fmt::print(stderr, "store_ledger: {}\n", error.what());
    return error.code() == decant::ErrorCode::kNotFound ? 3 : 1;
  }
  return 0;
}
