#include "cli/show.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/time.h"

namespace headrace::cli {
namespace {

size_t width_of(std::string_view text) {
  // Code points are close enough to columns for what we print.
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

const json::array& list_at(const json::value& object, std::string_view name) {
  static const json::array kEmpty;
  const json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
  return found && found->is_array() ? found->get_array() : kEmpty;
}

const json::value* cause_of(const json::value& object) {
  const json::value* found = object.get_object().if_contains("cause");
  return found && found->is_object() ? found : nullptr;
}

std::string sentence_of(const json::value& object) {
  const json::value* cause = cause_of(object);
  return cause ? text_at(*cause, "sentence") : std::string();
}

double number_at(const json::value& object, std::string_view name) {
  const json::value* found = object.get_object().if_contains(name);
  return found && found->is_number() ? found->to_number<double>() : 0;
}

bool bool_at(const json::value& object, std::string_view name) {
  const json::value* found = object.get_object().if_contains(name);
  return found && found->is_bool() && found->get_bool();
}

std::string explain_cause(const json::value& cause, const std::string& indent) {
  std::string text =
      fmt::format("{}why: {} [{}]\n", indent, text_at(cause, "sentence"), text_at(cause, "code"));
  text +=
      fmt::format("{}since: {} ({} ago)\n", indent, text_at(cause, "since"), age_of(text_at(cause, "since")));
  const std::string deadline = text_at(cause, "deadline");
  if (!deadline.empty()) text += fmt::format("{}deadline: {}\n", indent, deadline);
  const std::string remedy = text_at(cause, "remedy");
  if (!remedy.empty()) text += fmt::format("{}what to do: {}\n", indent, remedy);
  return text;
}

// "0: 127.0.0.1:20003 ready"
std::string instances_text(const json::value& service) {
  int ready = 0, total = 0;
  for (const json::value& instance : list_at(service, "instances")) {
    ++total;
    ready += bool_at(instance, "ready");
  }
  return fmt::format("{}/{}", ready, total);
}

std::string service_name(const json::value& service) {
  const std::string id = text_at(service, "id");
  return id.substr(id.rfind('/') + 1);
}

}  // namespace

std::string text_at(const json::value& object, std::string_view name) {
  const json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
  if (!found || found->is_null()) return {};
  if (found->is_string()) return std::string(found->get_string());
  return json::serialize(*found);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string age_of(const std::string& time) {
  const auto then = parse_rfc3339(time);
  if (!then || then->time_since_epoch().count() == 0) return "-";
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - *then).count());
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string memory_text(double bytes) {
  return bytes >= 1024.0 * 1024 * 1024 ? fmt::format("{:.1f}GiB", bytes / (1024.0 * 1024 * 1024))
                                       : fmt::format("{:.0f}MiB", bytes / (1024.0 * 1024));
}

std::string show_plan(const json::value& plan) {
  std::string text = fmt::format("Plan {} for {}: {}, generation {} -> {}\n\n", text_at(plan, "id"),
                                 text_at(plan, "environment"), text_at(plan, "kind"),
                                 text_at(plan, "from_generation"), text_at(plan, "to_generation"));
  std::vector<std::vector<std::string>> rows;
  for (const json::value& each : list_at(plan, "differences")) {
    const std::string before = text_at(each, "before");
    rows.push_back({before == "(none)"                   ? "  +"
                    : text_at(each, "after") == "(none)" ? "  -"
                                                         : "  ~",
                    text_at(each, "place"), fmt::format("{} -> {}", before, text_at(each, "after")),
                    text_at(each, "effect")});
  }
  if (rows.empty()) text += "  Nothing differs.\n";
  text += table(rows);
  rows.clear();
  int number = 0;
  std::map<std::string, int> numbers;
  for (const json::value& step : list_at(plan, "steps")) {
    numbers[text_at(step, "id")] = ++number;
    std::vector<std::string> needs;
    for (const json::value& need : list_at(step, "needs")) {
      needs.push_back(std::to_string(numbers[std::string(need.as_string())]));
    }
    rows.push_back({fmt::format("  {:>3}", number), text_at(step, "id"), text_at(step, "action"),
                    needs.empty() ? "" : fmt::format("after {}", fmt::join(needs, ", "))});
  }
  if (!rows.empty()) text += fmt::format("\n{} steps:\n", rows.size()) + table(rows);
  return text;
}

std::string show_environment(const json::value& environment) {
  std::string text =
      fmt::format("{}  {}  ({} {}, profile {}, generation {}, up {})\n", text_at(environment, "name"),
                  text_at(environment, "status"), text_at(environment, "blueprint"),
                  text_at(environment, "blueprint_version"),
                  text_at(environment, "profile").empty() ? "-" : text_at(environment, "profile"),
                  text_at(environment, "generation"), age_of(text_at(environment, "created")));
  if (const json::value* cause = cause_of(environment)) text += explain_cause(*cause, "  ");
  std::vector<std::vector<std::string>> rows{
      {"COMPONENT", "STATE", "FOR", "SERVICE", "READY", "WHERE", "CAUSE"}};
  for (const json::value& component : list_at(environment, "components")) {
    std::vector<std::string> row{text_at(component, "name"), text_at(component, "state"),
                                 age_of(text_at(component, "since"))};
    const std::string cause = sentence_of(component);
    bool first = true;
    for (const json::value& service : list_at(component, "services")) {
      if (service_name(service).starts_with("run-")) continue;
      std::string where;
      for (const json::value& instance : list_at(service, "instances")) {
        if (!where.empty()) where += " ";
        where += text_at(instance, "agent");
      }
      if (!first) row = {"", "", ""};
      row.insert(row.end(), {service_name(service), instances_text(service), where, first ? cause : ""});
      rows.push_back(row);
      first = false;
    }
    if (first) {
      row.insert(row.end(), {"-", "-", "", cause});
      rows.push_back(row);
    }
  }
  text += "\n" + table(rows);
  if (const json::value* outputs = environment.get_object().if_contains("outputs");
      outputs && outputs->is_object() && !outputs->get_object().empty()) {
    text += "\n";
    for (const auto& [name, value] : outputs->get_object()) {
      text += fmt::format("{}: {}\n", std::string(name), text_at(*outputs, name));
    }
  }
  const json::array& commands = list_at(environment, "commands");
  if (!commands.empty()) {
    std::vector<std::string> names;
    for (const json::value& command : commands) names.emplace_back(command.as_string());
    text += fmt::format("commands: {}\n", fmt::join(names, ", "));
  }
  if (!text_at(environment, "expires").empty())
    text += fmt::format("expires: {}\n", text_at(environment, "expires"));
  return text;
}

std::string show_environments(const json::value& list) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "STATUS", "BLUEPRINT", "PROFILE", "GENERATION", "AGE", "CAUSE"}};
  for (const json::value& each : list_at(list, "environments")) {
    rows.push_back({text_at(each, "name"), text_at(each, "status"),
                    text_at(each, "blueprint") + " " + text_at(each, "blueprint_version"),
                    text_at(each, "profile"), text_at(each, "generation"), age_of(text_at(each, "created")),
                    sentence_of(each)});
  }
  if (rows.size() == 1)
    return "No environments. Launch one: headrace launch <name> <blueprint folder> --wait\n";
  return table(rows);
}

std::string show_agents(const json::value& list) {
  std::vector<std::vector<std::string>> rows{
      {"AGENT", "ADDRESS", "STATE", "CPUS", "MEMORY", "DISK", "CAUSE"}};
  for (const json::value& agent : list_at(list, "agents")) {
    const json::value& total = agent.at("total");
    const json::value& granted = agent.at("granted");
    rows.push_back({text_at(agent, "id"), text_at(agent, "address"), bool_at(agent, "up") ? "up" : "down",
                    fmt::format("{:.1f} of {:.1f}", number_at(granted, "cpus"), number_at(total, "cpus")),
                    fmt::format("{} of {}", memory_text(number_at(granted, "memory")),
                                memory_text(number_at(total, "memory"))),
                    fmt::format("{} of {}", memory_text(number_at(granted, "disk")),
                                memory_text(number_at(total, "disk"))),
                    text_at(agent, "cause")});
  }
  return table(rows);
}

std::string show_server(const json::value& status) {
  std::string text = fmt::format(
      "Headrace {} (server {}, cluster {}), up {}; {} agents, {} environments, {} running tasks\n",
      text_at(status, "version"), text_at(status, "server"), text_at(status, "cluster"),
      age_of(text_at(status, "started")), text_at(status, "agents"), text_at(status, "environments"),
      text_at(status, "running_tasks"));
  const json::value* cause = status.get_object().if_contains("store_cause");
  if (cause && cause->is_object()) text += explain_cause(*cause, "  ");
  return text;
}

std::string explain_environment(const json::value& environment, const json::value& operations,
                                const std::string& component_name) {
  std::string text;
  for (const json::value& component : list_at(environment, "components")) {
    const std::string name = text_at(component, "name");
    if (!component_name.empty() && name != component_name) continue;
    std::string part;
    if (const json::value* cause = cause_of(component)) part += explain_cause(*cause, "  ");
    for (const json::value& service : list_at(component, "services")) {
      for (const json::value& instance : list_at(service, "instances")) {
        const json::value* cause = cause_of(instance);
        if (!cause) continue;
        part += fmt::format("  {} {}\n", service_name(service), text_at(instance, "id")) +
                explain_cause(*cause, "    ");
      }
    }
    if (!part.empty()) text += fmt::format("{} is {}\n", name, text_at(component, "state")) + part;
    if (part.empty() && !component_name.empty()) {
      text += fmt::format("{} is {}; nothing of it waits\n", name, text_at(component, "state"));
    }
  }
  for (const json::value& operation : list_at(operations, "operations")) {
    if (text_at(operation, "state") != "running") continue;
    text += fmt::format("operation {} ({}) runs since {}, deadline {}\n", text_at(operation, "id"),
                        text_at(operation, "kind"), text_at(operation, "started"),
                        text_at(operation, "deadline"));
    for (const json::value& step : list_at(operation, "steps")) {
      if (text_at(step, "state") != "running") continue;
      text += fmt::format("  step {}\n", text_at(step, "id"));
      if (const json::value* cause = cause_of(step)) text += explain_cause(*cause, "    ");
    }
  }
  if (const json::value* cause = cause_of(environment); cause && component_name.empty()) {
    text += fmt::format("{} is {}\n", text_at(environment, "name"), text_at(environment, "status")) +
            explain_cause(*cause, "  ");
  }
  if (text.empty())
    text = fmt::format("{} is {}; nothing waits\n", text_at(environment, "name"),
                       text_at(environment, "status"));
  return text;
}

std::string show_error(const Error& error) {
  Error plain = error;
  plain.remedy.clear();
  std::string text = "error: " + plain.to_string() + "\n";
  if (!error.remedy.empty()) text += "  " + error.remedy + "\n";
  return text;
}

}  // namespace headrace::cli
