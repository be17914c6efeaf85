#include "index_meta.h"

#include "decant/base/error.h"

namespace decant {

nlohmann::json MetaToJson(const IndexMeta& meta) {
  nlohmann::json json = {{"kind", meta.kind},
                         {"split", meta.split},
                         {"decodable", meta.decodable},
                         {"num_classes", meta.num_classes},
                         {"files", nlohmann::json::array()},
                         {"class_names", meta.class_names},
                         {"left_out", nlohmann::json::array()},
                         {"names_digest", meta.names_digest},
                         {"content_digest", meta.content_digest}};
  for (const IndexedFile& file : meta.files) {
    json["files"].push_back({file.name, file.status.size, file.status.mtime_ns});
  }
  for (const LeftOutSample& sample : meta.left_out) json["left_out"].push_back({sample.name, sample.reason});
  return json;
}

IndexMeta MetaFromJson(const nlohmann::json& json) {
  IndexMeta meta;
  json.at("kind").get_to(meta.kind);
  json.at("split").get_to(meta.split);
  json.at("decodable").get_to(meta.decodable);
  json.at("num_classes").get_to(meta.num_classes);
  json.at("class_names").get_to(meta.class_names);
  json.at("names_digest").get_to(meta.names_digest);
  json.at("content_digest").get_to(meta.content_digest);
  for (const auto& file : json.at("files")) {
    meta.files.push_back({.name = file.at(0).get<std::string>(),
                          .status = {.size = file.at(1).get<uint64_t>(), .mtime_ns = file.at(2).get<int64_t>()}});
  }
  for (const auto& sample : json.at("left_out")) {
    meta.left_out.push_back({.name = sample.at(0).get<std::string>(), .reason = sample.at(1).get<std::string>()});
  }
  return meta;
}

std::string Utf8Name(std::string_view name) {
  try {
    nlohmann::json(name).dump();
    return std::string(name);
  } catch (const nlohmann::json::type_error&) {
    std::string text;
    for (const char byte : name) {
      const auto value = static_cast<unsigned char>(byte);
      if (value < 128) {
        text.push_back(byte);
      } else {
        text += fmt::format("%{:02X}", value);
      }
    }
    return text;
  }
}

}  // namespace decant
