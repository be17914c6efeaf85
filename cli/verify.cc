#include "decant/store/verify.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>

#include "command.h"
#include "console.h"

#ifdef DECANT_TORCH
#include "verify_teacher.h"
#endif

namespace decant {
namespace {

struct Options {
  std::string store;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  bool json = false;
  std::string teacher;  // a job file
  uint64_t samples = 4096;
};

std::string Verdict(const VerifyReport& report) {
  if (!report.sound()) return "damaged";
  if (!report.complete()) return "sound, incomplete";
  return report.sealed ? "sound" : "sound, not sealed";
}

nlohmann::ordered_json ReportJson(const std::string& store, const VerifyReport& report) {
  nlohmann::ordered_json damages = nlohmann::ordered_json::array();
  for (const Damage& damage : report.damages) damages.push_back({{"where", damage.where}, {"what", damage.what}});
  return {{"store", store},
          {"verdict", Verdict(report)},
          {"files", report.num_files},
          {"bytes", report.file_bytes},
          {"spans", report.num_spans},
          {"spans_committed", report.num_committed},
          {"spans_expired", report.num_expired},
          {"labels", report.num_labels},
          {"entries", report.num_entries},
          {"seconds", report.seconds},
          {"digest", report.digest.value_or("")},
          {"damages", damages}};
}

void PrintText(const std::string& store, const VerifyReport& report) {
  for (const Damage& damage : report.damages) fmt::print("{}: {}\n", damage.where, damage.what);
  fmt::print("{}: {} files, {} bytes, {} of {} spans, {} labels read in {:.2f} s\n", store, report.num_files,
             Grouped(report.file_bytes), report.num_committed, report.num_spans, Grouped(report.num_labels),
             report.seconds);
  if (report.num_expired > 0) fmt::print("{} of the spans have expired\n", report.num_expired);
  if (report.digest) fmt::print("digest {}\n", *report.digest);
  if (report.sound()) {
    fmt::print("verdict: {}\n", Verdict(report));
  } else {
    fmt::print("verdict: damaged in {} {}\n", report.damages.size(), report.damages.size() == 1 ? "place" : "places");
  }
}

#ifdef DECANT_TORCH
nlohmann::ordered_json AgreementJson(const Agreement& agreement) {
  return {{"labels", agreement.num_labels},
          {"top_1_agreement", agreement.top_1},
          {"overlap", agreement.overlap},
          {"kl_mean", agreement.kl_mean}};
}

void PrintAgreement(const char* name, const Agreement& agreement) {
  fmt::print("  {:<28} {:>10.4f} {:>10.4f} {:>12.2e}\n", name, agreement.top_1, agreement.overlap, agreement.kl_mean);
}

void PrintText(const std::string& job, const TeacherCheck& check) {
  fmt::print("teacher of {}, {} labels\n  {:<28} {:>10} {:>10} {:>12}\n", job, Grouped(check.stored.num_labels), "",
             "top 1", "overlap", "mean KL");
  PrintAgreement("stored", check.stored);
  PrintAgreement("control: live against live", check.control);
  for (const std::string& difference : check.differences) fmt::print("differs from the store: {}\n", difference);
  for (const std::string& disagreement : check.disagreements) fmt::print("{}\n", disagreement);
  fmt::print("verdict: {}\n", check.disagreements.empty() ? "these are the teacher's labels of these views"
                                                          : "not this teacher's labels of these views");
}

int VerifyTeacher(const Options& options, const std::vector<std::string>& overrides, nlohmann::ordered_json report) {
  const TeacherCheck check = CheckTeacher(options.store, options.teacher, overrides, options.samples);
  if (options.json) {
    report["teacher"] = {{"job", options.teacher},
                         {"stored", AgreementJson(check.stored)},
                         {"control", AgreementJson(check.control)},
                         {"differences", check.differences},
                         {"disagreements", check.disagreements}};
    fmt::print("{}\n", report.dump(2));
  } else {
    PrintText(options.teacher, check);
  }
  return check.disagreements.empty() ? 0 : ExitCode(ErrorCode::kMismatch);
}
#endif

int Verify(const Options& options, const std::vector<std::string>& overrides) {
  if (options.teacher.empty() && !overrides.empty()) {
    Fail(ErrorCode::kInvalidArgument, "unknown argument '{}'", overrides.front());
  }
  const VerifyReport report = VerifyStore(options.store, options.threads);
  const bool ask_teacher = !options.teacher.empty() && report.sound();
  if (!options.json) PrintText(options.store, report);
  if (options.json && !ask_teacher) fmt::print("{}\n", ReportJson(options.store, report).dump(2));
#ifdef DECANT_TORCH
  if (ask_teacher) return VerifyTeacher(options, overrides, ReportJson(options.store, report));
#endif
  return report.sound() ? 0 : kExitDamaged;
}

}  // namespace

Command AddVerify(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("verify", "Checks every file, every chunk, every label and every count of a store");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--threads", options->threads, "Threads that read")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_flag("--json", options->json, "Print one JSON object");
#ifdef DECANT_TORCH
  CLI::Option* teacher = app->add_option("--teacher", options->teacher,
                                         "Also ask the teacher of this job file; its keys can be given as for produce");
  app->add_option("--samples", options->samples, "... about so many labels, evenly spread")
      ->needs(teacher)
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  app->allow_extras();
#endif
  return {app, [app, options] { return Verify(*options, app->remaining()); }};
}

}  // namespace decant
