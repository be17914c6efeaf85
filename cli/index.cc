#include <cstdio>

#include "decant/data/check_source.h"

#include "command.h"
#include "console.h"
#include "labelling.h"

namespace decant {
namespace {

struct Options {
  std::string job;
  bool check = false;
  bool json = false;
};

int Index(const Options& options, const std::vector<std::string>& overrides) {
  const Job job = ReadJob(options.job, overrides);
  const auto source = OpenJobSource(job);
  nlohmann::ordered_json object = {{"dataset", source->Identity()}};
  bool sound = true;
  if (options.check) {
    const auto* images = dynamic_cast<const ImageSource*>(source.get());
    if (!images) Fail(ErrorCode::kInvalidArgument, "{}: --check decodes images; the dataset has tokens", job.path);
    object["undecodable"] = nlohmann::ordered_json::array();
    for (const UndecodableSample& bad : CheckSource(*images, job.data.threads)) {
      object["undecodable"].push_back({{"sample", bad.sample_id}, {"name", bad.name}, {"reason", bad.reason}});
      sound = false;
    }
  }
  if (options.json) {
    fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return sound ? 0 : kExitDamaged;
  }
  for (const auto& [key, value] : object["dataset"].items()) fmt::print("{:<14} {}\n", key, value.dump());
  if (options.check) {
    for (const auto& bad : object["undecodable"]) {
      fmt::print("sample {} ({}): {}\n", bad["sample"].dump(), bad["name"].get<std::string>(),
                 bad["reason"].get<std::string>());
    }
    fmt::print("{} of {} samples cannot be decoded\n", object["undecodable"].size(), Grouped(source->num_samples()));
  }
  return sound ? 0 : kExitDamaged;
}

}  // namespace

Command AddIndex(CLI::App& program) {
  CLI::App* app = program.add_subcommand("index", "Builds a dataset's index, and tells what is in the dataset");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_flag("--check", options->check, "Decode every image; exit code 5 when one cannot be");
  app->add_flag("--json", options->json, "Print one JSON object");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return Index(*options, app->remaining()); }};
}

}  // namespace decant
