// Blocks that name no language are no code: nothing in them is coloured.
export default { configureHljs: hljs => hljs.configure({ languages: ['plaintext'] }) };
