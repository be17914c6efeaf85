#include <cstdio>

#include "decant/base/file.h"
#include "decant/data/encode_png.h"

#include "command.h"
#include "console.h"
#include "labelling.h"

namespace decant {
namespace {

struct Options {
  std::string job;
  uint64_t sample = 0;
  uint32_t epoch = 0;
  std::string out;
};

void Print(const nlohmann::ordered_json& object) {
  fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void RequireSample(const Source& source, uint64_t sample) {
  if (sample < source.num_samples()) return;
  Fail(ErrorCode::kInvalidArgument, "there is no sample {}: the dataset has {} samples", sample, source.num_samples());
}

void ShowImage(const Job& job, const ImageSource& source, const Options& options) {
  if (options.out.empty()) Fail(ErrorCode::kInvalidArgument, "-o FILE.png is missing: where the image goes");
  const ImageShape shape = TeacherShape(job, source);
  const ViewRenderer views = MakeImageViews(job, source, shape);
  const Order order = views.OrderOf(options.epoch);
  const View view = views.ViewAt(order, options.epoch, order.PositionOf(options.sample));
  std::vector<uint8_t> pixels(shape.num_bytes());
  const uint16_t fingerprint = views.Render(view, options.epoch, pixels.data());
  WriteFileAtomically(options.out, EncodePng(shape, pixels));
  nlohmann::ordered_json object = {{"file", options.out},
                                   {"sample", options.sample},
                                   {"name", source.Name(options.sample)},
                                   {"class", source.Label(options.sample)},
                                   {"epoch", options.epoch},
                                   {"fingerprint", fingerprint}};
  if (view.partner_id != view.sample_id) {
    object["partner"] = view.partner_id;
    object["own_share"] = view.own_share();
  }
  Print(object);
}

void ShowTokens(const Job& job, const TokenSource& source, const Options& options) {
  const TokenViewer views = MakeTokenViews(job, source, MakeTeacher(job, source)->num_classes());
  const Order order = views.OrderOf(options.epoch);
  const TokenView view = views.ViewAt(order, options.epoch, order.PositionOf(options.sample));
  Print({{"sample", options.sample},
         {"name", source.Name(options.sample)},
         {"epoch", options.epoch},
         {"fingerprint", view.fingerprint},
         {"inputs", view.inputs},
         {"labelled_positions", view.positions}});
}

int ViewCommand(const Options& options, const std::vector<std::string>& overrides) {
  const Job job = ReadJob(options.job, overrides);
  const auto source = OpenJobSource(job);
  RequireSample(*source, options.sample);
  const Job resolved = WithViewsFrom(job, *source);
  if (const auto* images = dynamic_cast<const ImageSource*>(source.get())) ShowImage(resolved, *images, options);
  if (const auto* tokens = dynamic_cast<const TokenSource*>(source.get())) ShowTokens(resolved, *tokens, options);
  return 0;
}

}  // namespace

Command AddView(CLI::App& program) {
  CLI::App* app = program.add_subcommand("view", "Shows what the teacher sees of a sample in an epoch");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_option("--sample", options->sample, "The sample's id")->required();
  app->add_option("--epoch", options->epoch, "The epoch of views")->capture_default_str();
  app->add_option("-o,--out", options->out, "Where an image goes, a PNG file; tokens are printed");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return ViewCommand(*options, app->remaining()); }};
}

}  // namespace decant
