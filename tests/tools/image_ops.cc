// Applies an operation to an image and writes the result, so that tests can compare it with other libraries.
// usage: image_ops COMMANDS, a file with lines "IN OUT HEIGHT WIDTH CHANNELS OPERATION ARGUMENTS..."; files hold raw
// bytes [height, width, channels].
#include "image_ops.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "augment.h"
#include "blur.h"
#include "resize.h"

namespace decant {
namespace {

void WriteBytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

template <typename T>
T Next(std::istream& words) {
  T value{};
  if (!(words >> value)) Fail(ErrorCode::kInvalidArgument, "image_ops: an argument is missing or is no number");
  return value;
}

std::vector<uint8_t> Resized(const ImageShape& shape, const std::vector<uint8_t>& image, std::istream& words) {
  const auto filter = Next<std::string>(words) == "bilinear" ? ResizeFilter::kBilinear : ResizeFilter::kBicubic;
  const auto height = Next<uint32_t>(words), width = Next<uint32_t>(words);
  SourceBox box{};
  for (float* edge : {&box.left, &box.top, &box.right, &box.bottom}) *edge = Next<float>(words);
  std::vector<uint8_t> out(size_t{height} * width * shape.channels);
  Resize(shape, image.data(), box, filter, height, width, out.data());
  return out;
}

void Change(const Canvas& image, const std::string& operation, std::istream& words) {
  const std::map<std::string, void (*)(const Canvas&, uint32_t)> with_number = {
      {"brightness", ChangeBrightness}, {"contrast", ChangeContrast}, {"saturation", ChangeSaturation},
      {"sharpness", ChangeSharpness},   {"blur", GaussianBlur},       {"posterize", Posterize}};
  const std::map<std::string, void (*)(const Canvas&)> without = {
      {"flip", FlipHorizontally}, {"grey", MakeGrey}, {"auto_contrast", AutoContrast}, {"equalize", Equalize}};
  if (const auto found = with_number.find(operation); found != with_number.end()) {
    found->second(image, Next<uint32_t>(words));
  } else if (const auto plain = without.find(operation); plain != without.end()) {
    plain->second(image);
  } else if (operation == "hue") {
    TurnHue(image, Next<int32_t>(words));
  } else if (operation == "solarize") {
    Solarize(image, Next<double>(words));
  } else if (operation == "augment") {
    AugmentStep step;
    step.op = static_cast<AugmentOp>(Next<uint32_t>(words) % kNumAugmentOps);
    step.magnitude = static_cast<uint8_t>(Next<uint32_t>(words));
    step.negative = Next<uint32_t>(words) != 0;
    Augment(image, step, {Next<uint32_t>(words), Next<uint32_t>(words), Next<uint32_t>(words)});
  } else {
    Fail(ErrorCode::kInvalidArgument, "image_ops: no operation '{}'", operation);
  }
}

void Run(const std::string& commands) {
  std::istringstream lines(ReadFile(commands));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const auto in = Next<std::string>(words), out = Next<std::string>(words);
    ImageShape shape;
    for (uint32_t* size : {&shape.height, &shape.width, &shape.channels}) *size = Next<uint32_t>(words);
    const std::string text = ReadFile(in);
    std::vector<uint8_t> image(text.begin(), text.end());
    if (image.size() != shape.num_bytes()) Fail(ErrorCode::kInvalidArgument, "{}: {} bytes", in, image.size());
    const auto operation = Next<std::string>(words);
    if (operation == "resize") {
      image = Resized(shape, image, words);
    } else {
      Change({shape, image.data()}, operation, words);
    }
    WriteBytes(out, image);
  }
}

}  // namespace
}  // namespace decant

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: image_ops COMMANDS\n");
    return 2;
  }
  try {
    decant::Run(argv[1]);
  } catch (const decant::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
