"""Renders chat templates with Jinja as Hugging Face sets it up, to compare the library's interpreter with.

    python3 eng/chat-templates/render_cases.py TEMPLATES OUT [SEEN]

TEMPLATES: a folder of .jinja files. OUT: gets NAME/template.jinja and NAME/cases.json for each, in the layout of the shared fixtures.
SEEN: a folder in that layout; templates that are in it, and doubles, are left out. Needs jinja2 alone.
"""
import datetime
import glob
import hashlib
import json
import os
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2025, 3, 9, 14, 5, 6)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %} renders what is between."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_show"), [], [], body).set_lineno(line)

    def _show(self, caller):
        return caller()


def environment():
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    result = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    result.filters["tojson"] = tojson
    result.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime)
    return result


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "user": [turn("user", "What is 2+3?")],
    "system-user": [turn("system", "Be brief."), turn("user", "Hi  there\n")],
    "system-multi-turn": [turn("system", ' You are "kind". '), turn("user", "a"), turn("assistant", "b"), turn("user", " c <d> ")],
    "thinking": [turn("user", "a"), turn("assistant", "<think>\nhm\n</think>\n\nb"), turn("user", "c")],
    "ends-with-assistant": [turn("user", "1?"), turn("assistant", "2.")],
    "unicode": [turn("user", "na\u00efve \U0001F642 \u4f60\u597d")],
    "user-user": [turn("user", "a"), turn("user", "b")],
}
PARAMETERS = {"type": "object", "properties": {"x": {"type": "string", "description": "e"}}, "required": ["x"]}
TOOLS = [{"type": "function", "function": {"name": "get", "description": "d", "parameters": PARAMETERS}}]
CALL = {"type": "function", "function": {"name": "get", "arguments": {"x": "1"}}}
TOOL_CALL = [turn("user", "w?"), turn("assistant", "", tool_calls=[CALL]), turn("tool", "5", name="get")]


def questions():
    """Name, messages, tools and variables of every case."""
    for name, messages in CONVERSATIONS.items():
        yield name, messages, None, {}
    yield "tools", CONVERSATIONS["user"], TOOLS, {}
    yield "tool-call", TOOL_CALL, TOOLS, {}
    for thinking in (False, True):
        yield f"enable_thinking={thinking}", CONVERSATIONS["thinking"], None, {"enable_thinking": thinking}


def cases(template):
    """What Jinja makes of every case. A case that Jinja itself fails at, other than by raise_exception, says nothing and is left out."""
    for name, messages, tools, variables in questions():
        for prompt in (False, True):
            case = dict(id=f"{name}/{'prompt' if prompt else 'full'}", messages=messages, tools=tools, add_generation_prompt=prompt,
                        variables=variables, special_tokens=TOKENS, now=NOW.isoformat())
            try:
                case["expected"] = template.render(messages=messages, tools=tools, documents=None, add_generation_prompt=prompt, **TOKENS, **variables)
            except jinja2.exceptions.UndefinedError:
                continue
            except jinja2.exceptions.TemplateError as error:
                case["error"] = str(error)
            except Exception:
                continue
            yield case


def digest(source):
    return hashlib.sha256(source.strip().encode()).hexdigest()


def main(templates, out, seen=None):
    known = {digest(open(path, encoding="utf-8").read()) for path in glob.glob(os.path.join(seen, "*", "template.jinja"))} if seen else set()
    written = 0
    for path in sorted(glob.glob(os.path.join(templates, "*.jinja"))):
        source = open(path, encoding="utf-8").read()
        if digest(source) in known:
            continue
        known.add(digest(source))
        name = os.path.basename(path)[:-len(".jinja")]
        try:
            rendered = list(cases(environment().from_string(source)))
        except jinja2.exceptions.TemplateSyntaxError as error:
            print(f"{name}: Jinja itself refuses it: {error}")
            continue
        if not rendered:
            print(f"{name}: no case that Jinja renders")
            continue
        os.makedirs(os.path.join(out, name), exist_ok=True)
        with open(os.path.join(out, name, "template.jinja"), "w", encoding="utf-8") as file:
            file.write(source)
        with open(os.path.join(out, name, "cases.json"), "w", encoding="utf-8") as file:
            json.dump(rendered, file, ensure_ascii=False)
        written += 1
    print(f"{written} templates")


if __name__ == "__main__":
    main(*sys.argv[1:])
