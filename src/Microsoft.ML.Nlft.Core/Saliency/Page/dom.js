
// Creates an element with its properties and children.
nlft.create = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
};
