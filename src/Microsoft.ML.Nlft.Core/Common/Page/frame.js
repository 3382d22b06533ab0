'use strict';

// What all pages share: the switch between the themes, and the help panel. The theme is the system's until the switch is used, and the choice
// lasts as long as the page. changed() is called after every change of the theme.
const frame = changed => {
    const byId = id => document.getElementById(id), system = matchMedia('(prefers-color-scheme: dark)');
    let chosen = null;
    const isDark = () => chosen ?? system.matches;
    function show() {
        document.documentElement.style.colorScheme = chosen === null ? '' : chosen ? 'dark' : 'light';
        byId('theme').textContent = isDark() ? 'Light theme' : 'Dark theme';
        changed();
    }
    byId('theme').addEventListener('click', () => {
        chosen = !isDark();
        show();
    });
    system.addEventListener('change', show);
    byId('help').addEventListener('click', () => byId('help-panel').showModal());
    document.addEventListener('keydown', event => {
        if (event.key === '?' && !event.target.matches('input[type=search], input[type=number], textarea') && !byId('help-panel').open)
            byId('help-panel').showModal();
    });
    show();
};
