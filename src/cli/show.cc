#include "cli/show.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <set>

#include "base/time.h"

namespace headrace::cli {
namespace {

size_t width_of(std::string_view text) {
  // Code points are close enough to columns for what we print.
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

const json::value* find(const json::value& object, std::string_view name) {
  return object.is_object() ? object.get_object().if_contains(name) : nullptr;
}

const json::array& list_at(const json::value& object, std::string_view name) {
  static const json::array kEmpty;
  const json::value* found = find(object, name);
  return found && found->is_array() ? found->get_array() : kEmpty;
}

const json::value* cause_of(const json::value& object) {
  const json::value* found = find(object, "cause");
  return found && found->is_object() ? found : nullptr;
}

std::string sentence_of(const json::value& object) {
  const json::value* cause = cause_of(object);
  return cause ? text_at(*cause, "sentence") : std::string();
}

double number_at(const json::value& object, std::string_view name) {
  const json::value* found = find(object, name);
  return found && found->is_number() ? found->to_number<double>() : 0;
}

bool bool_at(const json::value& object, std::string_view name) {
  const json::value* found = find(object, name);
  return found && found->is_bool() && found->get_bool();
}

std::string memory_text(double bytes) {
  return bytes >= 1024.0 * 1024 * 1024 ? fmt::format("{:.1f}GiB", bytes / (1024.0 * 1024 * 1024))
                                       : fmt::format("{:.0f}MiB", bytes / (1024.0 * 1024));
}

// ---- Times ---------------------------------------------------------------------------------------

Wall now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

// "12s", "3m05s", "2h07m", "4d03h"
std::string length_text(Duration length) {
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(length).count());
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

// Of a field that holds a time; none where it is absent or was never set.
std::optional<Wall> time_at(const json::value& object, std::string_view name) {
  const auto time = parse_rfc3339(text_at(object, name));
  if (!time || time->time_since_epoch().count() == 0) return std::nullopt;
  return *time;
}

std::string age_at(const json::value& object, std::string_view name) {
  const auto time = time_at(object, name);
  return time ? length_text(now() - *time) : "-";
}

// "15:04:05" on the reader's clock, with the date unless it is today.
std::string clock_text(Wall time) {
  const auto local = [](Wall each) { return fmt::localtime(std::chrono::system_clock::to_time_t(each)); };
  const bool is_today = fmt::format("{:%F}", local(time)) == fmt::format("{:%F}", local(now()));
  return is_today ? fmt::format("{:%T}", local(time)) : fmt::format("{:%F %T}", local(time));
}

std::string until_text(Wall time) {
  return time <= now() ? fmt::format("{} ago ({})", length_text(now() - time), clock_text(time))
                       : fmt::format("in {} ({})", length_text(time - now()), clock_text(time));
}

// ---- Causes --------------------------------------------------------------------------------------

std::string explain_cause(const json::value& cause, const std::string& indent) {
  std::string text =
      fmt::format("{}why: {} [{}]\n", indent, text_at(cause, "sentence"), text_at(cause, "code"));
  if (const auto since = time_at(cause, "since"))
    text += fmt::format("{}since: {}\n", indent, until_text(*since));
  if (const auto deadline = time_at(cause, "deadline"))
    text += fmt::format("{}until: {}\n", indent, until_text(*deadline));
  const std::string remedy = text_at(cause, "remedy");
  if (!remedy.empty()) text += fmt::format("{}what to do: {}\n", indent, remedy);
  return text;
}

std::string service_name(const json::value& service) {
  const std::string id = text_at(service, "id");
  return id.substr(id.rfind('/') + 1);
}

// The waits of an app's instances but for those whose cause was `told` already.
std::string explain_instances(const json::value& app, const std::string& told) {
  std::string text;
  int number = 0;
  for (const json::value& instance : list_at(app, "instances")) {
    ++number;
    const json::value* cause = cause_of(instance);
    if (!cause || text_at(*cause, "sentence") == told) continue;
    const std::string slot = text_at(instance, "slot");
    text += fmt::format("  {} {}\n", service_name(app),
                        slot.empty() ? fmt::format("instance {}", number) : fmt::format("slot {}", slot)) +
            explain_cause(*cause, "    ");
  }
  return text;
}

std::string ready_text(const json::value& app) {
  const json::array& instances = list_at(app, "instances");
  const auto ready =
      std::ranges::count_if(instances, [](const json::value& each) { return bool_at(each, "ready"); });
  return fmt::format("{}/{}", ready, std::max<double>(number_at(app, "wanted"), instances.size()));
}

std::string heading_of(const json::value& operation) {
  const bool runs = text_at(operation, "state") == "running";
  const auto started = time_at(operation, "started"), ended = time_at(operation, "ended");
  std::string times = started && ended ? fmt::format("took {}", length_text(*ended - *started))
                                       : fmt::format("for {}", age_at(operation, "started"));
  if (const auto deadline = time_at(operation, "deadline"); runs && deadline)
    times += fmt::format(", ends by {}", clock_text(*deadline));
  return fmt::format("{} {} of {}  {}  (asked for by {}, {})\n", text_at(operation, "kind"),
                     text_at(operation, "id"), text_at(operation, "environment"), text_at(operation, "state"),
                     text_at(operation, "requested_by"), times);
}

}  // namespace

std::string text_at(const json::value& object, std::string_view name) {
  const json::value* found = find(object, name);
  if (!found || found->is_null()) return {};
  if (found->is_string()) return std::string(found->get_string());
  return json::serialize(*found);
}

std::string counted(std::int64_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
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

std::string show_plan(const json::value& plan) {
  const bool destroys = text_at(plan, "kind") == "destroy";
  std::string text = fmt::format("Plan {} for {}: {}", text_at(plan, "id"), text_at(plan, "environment"),
                                 text_at(plan, "kind"));
  if (!destroys)
    text += fmt::format(", generation {} -> {}", text_at(plan, "from_generation"),
                        text_at(plan, "to_generation"));
  text += "\n";
  std::vector<std::vector<std::string>> rows;
  for (const json::value& each : list_at(plan, "differences")) {
    const std::string before = text_at(each, "before"), after = text_at(each, "after");
    rows.push_back({before == "(none)"  ? "  +"
                    : after == "(none)" ? "  -"
                                        : "  ~",
                    text_at(each, "place"), fmt::format("{} -> {}", before, after), text_at(each, "effect")});
  }
  if (!rows.empty()) text += "\n" + table(rows);
  if (rows.empty() && !destroys) text += "\n  Nothing differs.\n";
  rows.clear();
  int number = 0;
  std::map<std::string, int> numbers;
  for (const json::value& step : list_at(plan, "steps")) {
    numbers[text_at(step, "id")] = ++number;
    std::set<int> needs;
    for (const json::value& need : list_at(step, "needs"))
      needs.insert(numbers[std::string(need.as_string())]);
    rows.push_back({fmt::format("  {:>3}", number), text_at(step, "id"), text_at(step, "action"),
                    needs.empty() ? "" : fmt::format("after {}", fmt::join(needs, ", "))});
  }
  if (!rows.empty()) text += fmt::format("\n{}:\n", counted(number, "step")) + table(rows);
  return text;
}

std::string show_environment(const json::value& environment) {
  const std::string profile = text_at(environment, "profile");
  std::string text = fmt::format("{}  {}  ({} {}, {}generation {}, up {})\n", text_at(environment, "name"),
                                 text_at(environment, "status"), text_at(environment, "blueprint"),
                                 text_at(environment, "blueprint_version"),
                                 profile.empty() ? "" : fmt::format("profile {}, ", profile),
                                 text_at(environment, "generation"), age_at(environment, "created"));
  if (const json::value* cause = cause_of(environment)) text += explain_cause(*cause, "  ");
  std::vector<std::vector<std::string>> rows{
      {"COMPONENT", "STATE", "FOR", "SERVICE", "READY", "WHERE", "CAUSE"}};
  for (const json::value& component : list_at(environment, "components")) {
    std::vector<std::string> row{text_at(component, "name"), text_at(component, "state"),
                                 age_at(component, "since")};
    const std::string cause = sentence_of(component);
    bool first = true;
    for (const json::value& service : list_at(component, "services")) {
      if (service_name(service).starts_with("run-")) continue;
      std::vector<std::string> where;
      for (const json::value& instance : list_at(service, "instances")) {
        if (const std::string agent = text_at(instance, "agent"); !agent.empty()) where.push_back(agent);
      }
      if (!first) row = {"", "", ""};
      row.insert(row.end(), {service_name(service), ready_text(service),
                             fmt::format("{}", fmt::join(where, " ")), first ? cause : ""});
      rows.push_back(row);
      first = false;
    }
    if (first) {
      row.insert(row.end(), {"-", "-", "", cause});
      rows.push_back(row);
    }
  }
  text += "\n" + table(rows);
  if (const json::value* outputs = find(environment, "outputs"); outputs && outputs->is_object()) {
    if (!outputs->get_object().empty()) text += "\n";
    for (const auto& [name, value] : outputs->get_object())
      text += fmt::format("{}: {}\n", std::string(name), text_at(*outputs, name));
  }
  if (const std::string operation = text_at(environment, "operation"); !operation.empty())
    text += fmt::format("operation: {}\n", operation);
  std::vector<std::string> commands;
  for (const json::value& command : list_at(environment, "commands"))
    commands.emplace_back(command.as_string());
  if (!commands.empty()) text += fmt::format("commands: {}\n", fmt::join(commands, ", "));
  if (const auto expires = time_at(environment, "expires"))
    text += fmt::format("expires: {}\n", until_text(*expires));
  return text;
}

std::string show_environments(const json::value& list) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "STATUS", "BLUEPRINT", "PROFILE", "GENERATION", "AGE", "CAUSE"}};
  for (const json::value& each : list_at(list, "environments")) {
    rows.push_back({text_at(each, "name"), text_at(each, "status"),
                    text_at(each, "blueprint") + " " + text_at(each, "blueprint_version"),
                    text_at(each, "profile"), text_at(each, "generation"), age_at(each, "created"),
                    sentence_of(each)});
  }
  if (rows.size() == 1)
    return "No environments. Launch one: headrace launch <name> <blueprint folder> --wait\n";
  return table(rows);
}

std::string show_operation(const json::value& operation) {
  std::string text = heading_of(operation);
  if (const json::value* cause = cause_of(operation)) text += explain_cause(*cause, "  ");
  std::vector<std::vector<std::string>> rows{{"STEP", "STATE", "TIME", "DOES", "CAUSE"}};
  for (const json::value& step : list_at(operation, "steps")) {
    const auto started = time_at(step, "started"), ended = time_at(step, "ended");
    rows.push_back({text_at(step, "id"), text_at(step, "state"),
                    started ? length_text(ended.value_or(now()) - *started) : "-", text_at(step, "action"),
                    sentence_of(step)});
  }
  return text + "\n" + table(rows);
}

std::string show_agents(const json::value& list) {
  std::vector<std::vector<std::string>> rows{
      {"AGENT", "ADDRESS", "STATE", "CPUS", "MEMORY", "DISK", "CAUSE"}};
  for (const json::value& agent : list_at(list, "agents")) {
    const json::value& total = agent.at("total");
    const json::value& granted = agent.at("granted");
    const auto bytes = [&](std::string_view what) {
      return fmt::format("{} of {}", memory_text(number_at(granted, what)),
                         memory_text(number_at(total, what)));
    };
    rows.push_back({text_at(agent, "id"), text_at(agent, "address"), bool_at(agent, "up") ? "up" : "down",
                    fmt::format("{:.1f} of {:.1f}", number_at(granted, "cpus"), number_at(total, "cpus")),
                    bytes("memory"), bytes("disk"), text_at(agent, "cause")});
  }
  return table(rows);
}

std::string show_server(const json::value& status) {
  const auto count = [&](std::string_view field, std::string_view what) {
    return counted(static_cast<std::int64_t>(number_at(status, field)), what);
  };
  std::string text = fmt::format(
      "Headrace {} (server {}, cluster {}), up {}; {}, {}, {}\n", text_at(status, "version"),
      text_at(status, "server"), text_at(status, "cluster"), age_at(status, "started"),
      count("agents", "agent"), count("environments", "environment"), count("running_tasks", "running task"));
  const json::value* cause = find(status, "store_cause");
  if (cause && cause->is_object()) text += explain_cause(*cause, "  ");
  return text;
}

std::string show_secrets(const json::value& list) {
  std::vector<std::vector<std::string>> rows{{"SECRET", "VERSION"}};
  for (const json::value& each : list_at(list, "secrets"))
    rows.push_back({text_at(each, "name"), text_at(each, "version")});
  return rows.size() == 1 ? "No secrets. Set one: headrace secret set <name>\n" : table(rows);
}

std::string show_error(const Error& error) {
  Error plain = error;
  plain.remedy.clear();
  std::string text = "error: " + plain.to_string() + "\n";
  if (!error.remedy.empty()) text += "  " + error.remedy + "\n";
  return text;
}

std::string explain_environment(const json::value& environment, const std::string& component_name) {
  std::string text;
  for (const json::value& component : list_at(environment, "components")) {
    const std::string name = text_at(component, "name");
    if (!component_name.empty() && name != component_name) continue;
    std::string part;
    if (const json::value* cause = cause_of(component)) part += explain_cause(*cause, "  ");
    for (const json::value& service : list_at(component, "services"))
      part += explain_instances(service, sentence_of(component));
    if (!part.empty()) text += fmt::format("{} is {}\n", name, text_at(component, "state")) + part;
    if (part.empty() && !component_name.empty())
      text += fmt::format("{} is {}; nothing of it waits\n", name, text_at(component, "state"));
  }
  if (const json::value* cause = cause_of(environment); cause && component_name.empty()) {
    text += fmt::format("{} is {}\n", text_at(environment, "name"), text_at(environment, "status")) +
            explain_cause(*cause, "  ");
  }
  return text;
}

std::string explain_operation(const json::value& operation, std::string_view told) {
  std::string text = heading_of(operation);
  if (const json::value* cause = cause_of(operation)) return text + explain_cause(*cause, "  ");
  for (const json::value& step : list_at(operation, "steps")) {
    const json::value* cause = cause_of(step);
    if (cause && text_at(step, "state") == "running" && told.find(sentence_of(step)) == told.npos)
      text += fmt::format("  {}\n", text_at(step, "id")) + explain_cause(*cause, "    ");
  }
  return text;
}

std::string explain_app(const json::value& app) {
  const std::string waits = explain_instances(app, "");
  return fmt::format("{}: {} ready{}\n", text_at(app, "id"), ready_text(app),
                     waits.empty() ? "; nothing of it waits" : "") +
         waits;
}

}  // namespace headrace::cli
